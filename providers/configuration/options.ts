import type { ChangedOption } from "./activation";
import type { Model, Running } from "./model";

/** What a changed option asks for, beyond a reload of the configuration. */
type Effect =
  | ["none"]
  | ["restart", why: string]
  /** The host has to be deactivated and activated. */
  | ["cycle", host: string]
  | ["disconnect", host: string]
  /** These modules of these hosts have to be reloaded. */
  | ["modules", [host: string, module: string][]];

/** Their effect is seen in the hosts and modules themselves. */
const structural = /^(modules_enabled|modules_disabled|defined|enabled|load_global_modules)$/;

/** Read when a service is opened, under a name that core.portmanager makes up. */
const listening = /^(.*_)?(ports?|interfaces?)$/;

/** Read anew by every reload of the configuration (core.loggingmanager, core.certmanager, mod_tls). */
const reloaded = /^(log|certificates?|.*_certificate|(.*_)?ssl|tls_profile|ssl_compression)$/;

/** Read once, when the server starts, whatever else reads them. */
const startup = new Set([
  ..."plugin_paths installer_plugin_path plugin_server data_path pidfile umask run_as_root".split(" "),
  ..."prosody_user prosody_group admin_socket authentication authorization anonymous_login storage".split(
    " ",
  ),
  ..."default_storage sql network_backend network_settings use_ipv4 use_ipv6 unbound use_dane gc".split(" "),
  ..."statistics statistics_interval statistics_config error_library".split(" "),
]);

/** These hold connections, listeners or data of others; a reload of them would lose what they hold. */
const unreloadable =
  /^(c2s|s2s|http|admin_socket|admin_shell|component|bosh|websocket|net_multiplex|posix|(storage|auth)_.*)$/;

/** They read options of others when they are asked, not when they are loaded. */
const onlookers = new Set(["admin_shell", "admin_adhoc"]);

/**
 * What it takes to make one changed option live, by who reads it on this host.
 * @param leaving "host module" of modules that will be unloaded, so that what they read does not matter
 */
export function effectOf(
  { host, option }: ChangedOption,
  running: Running,
  wanted: Model,
  leaving: ReadonlySet<string>,
): Effect {
  if (structural.test(option) || reloaded.test(option)) return ["none"];
  if (option === "component_module") return ["cycle", host];
  if (option === "component_secret") return ["disconnect", host];
  if (startup.has(option)) return ["restart", `${option} changes`];
  // A component has no sessions of its own; everybody else on the server stays connected while it comes anew.
  const last: Effect =
    running.hosts[host]?.type === "component" ? ["cycle", host] : ["restart", `${option} changes`];
  const all = Object.keys(wanted.reads).filter((module) => wanted.reads[module]!.includes(option));
  const isPort = listening.test(option);
  const readers = all.filter((module) => !onlookers.has(module) && !(isPort && unreloadable.test(module)));
  if (readers.length === 0) return all.length > 0 || isPort ? ["none"] : last;
  const hosts = host === "*" ? Object.keys(running.hosts) : [host];
  const affected = hosts.flatMap((name) =>
    readers
      .filter((module) => running.hosts[name]?.modules[module] && !leaving.has(`${name} ${module}`))
      .map((module): [string, string] => [name, module]),
  );
  return affected.some(([, module]) => unreloadable.test(module)) ? last : ["modules", affected];
}
