import type * as pulumi from "@pulumi/pulumi";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** The community modules of one server: code that Prosody itself does not bring. */
export interface CommunityModulesInputs extends Common {
  /** "package", "directory", or the address of a Mercurial repository. */
  source: string;
  /** Hash or tag in the repository; "" for another origin. */
  revision: string;
  /** Plugin directory on the host; "" for the distribution's package, which has its modules in Prosody's own. */
  path: string;
  /** Of origin "directory": path below `path` → content. */
  files: Record<string, string>;
  /** Names of the modules that the configuration enables and Prosody does not bring. */
  modules: string[];
  /** Always empty: what differs in the plugin directory, a sentence each. */
  differing: string[];
}

export interface CommunityModulesState extends CommunityModulesInputs {
  /** Names of all modules that the host could load; empty while nobody can tell, because the package is not there. */
  offered: string[];
  /** Modules that came along because others need them. */
  brought: string[];
  /** The full hash of the revision; "" for another origin. */
  node: string;
  /** File below `path` → SHA-256 of what was put there. */
  written: Record<string, string>;
}

/**
 * Keeps the enabled community modules, and no others, in a plugin directory of their own, and sees that there is no
 * module missing before the configuration is touched. Other code is another directory: the new one is there before
 * the configuration changes over to it, and the old one goes after that.
 */
export class CommunityModules extends ProsodyResource<CommunityModulesInputs> {
  declare readonly offered: pulumi.Output<string[]>;

  constructor(
    name: string,
    args: Omit<InputsOf<CommunityModulesInputs>, "differing">,
    options?: pulumi.CustomResourceOptions,
  ) {
    super(
      "CommunityModules",
      name,
      { ...args, differing: [] },
      ["offered", "brought", "node", "written"],
      // No secret, but hundreds of names, which each upgrade of the package changes: a preview that lists them hides what
      // matters, and of secrets it lists none.
      ["offered"],
      // What depends on it changes over in between.
      { deleteBeforeReplace: false, ...options },
    );
  }
}
