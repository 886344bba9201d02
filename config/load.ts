import * as pulumi from "@pulumi/pulumi";
import { type Environment, thisMachine } from "./environment";
import { misspelt, namespace } from "./namespace";
import { decode, parse, parseOption } from "./parse";
import { isMap } from "./parts";
import { report } from "./problems";
import { entriesOf } from "./servers";
import type { HostSettings, NameServerAccess, Settings } from "./settings";

/** The provider's configuration, as the engine hands it over; its keys are full, such as `prosody:host`. */
export interface ProviderConfig {
  get(key: string): string | undefined;
}

/**
 * The settings of the current stack.
 * @throws pulumi.RunError with every problem of the stack config, before anything connects anywhere
 */
export function load(): Settings {
  const config = pulumi.runtime.allConfig();
  const values = Object.entries(config).filter(([key]) => key.startsWith(namespace));
  const raw = Object.fromEntries(
    values
      .map(([key, text]) => [key.slice(namespace.length), decode(text)])
      .filter(([, value]) => value !== undefined),
  );
  const env = thisMachine();
  const { settings, problems } = parse(raw, env, encryptedOptions());
  const all = [...problems, ...misspelt(Object.keys(config), env)];
  if (!settings || all.length > 0) throw new pulumi.RunError(report(all));
  return settings;
}

/**
 * How to reach each host, by name of its server, for the process that connects to them.
 * @throws Error with every problem
 */
export function parseHosts(
  config: ProviderConfig,
  env: Environment = thisMachine(),
): Map<string, HostSettings> {
  return parseOf("host", config, env);
}

/**
 * The name server that takes the DNS records of each server, by name of the server, for the process that writes them.
 * Servers without one are left out, whatever their provider is: records may still have to be removed.
 * @throws Error with every problem
 */
export function parseNameServers(
  config: ProviderConfig,
  env: Environment = thisMachine(),
): Map<string, NameServerAccess> {
  const found = [...parseOf("dns", config, env)].flatMap(([server, { nameServer, key, takeOver }]) =>
    nameServer && key ? [[server, { ...nameServer, key, takeOver }] as const] : [],
  );
  return new Map(found);
}

/**
 * The passwords of a server's accounts, for the process that makes them. What `jidsFile` names is not opened, and what
 * has mistakes is left out: the program tells of them.
 */
export function passwordsOf(config: ProviderConfig, server: string): string[] {
  const { entries } = entriesOf(given(config, "jids"), new Set());
  const { jids } = entries.find(({ name }) => name === server)?.raw ?? {};
  return Object.values(isMap(jids) ? jids : {})
    .map((account) => (isMap(account) ? account.password : account))
    .filter((password) => typeof password === "string" && password !== "") as string[];
}

/** What the stack config says of one option, for one server or for several. */
function given(config: ProviderConfig, option: string): Record<string, unknown> {
  const value = (name: string) => decode(config.get(`${namespace}${name}`));
  return { [option]: value(option), servers: value("servers") };
}

function parseOf<Option extends "host" | "dns">(option: Option, config: ProviderConfig, env: Environment) {
  const { found, problems } = parseOption(option, given(config, option), env);
  if (problems.length > 0) throw new Error(report(problems));
  return found;
}

/**
 * Top-level options with a secret in them; where inside, Pulumi does not tell. The SDK has the list for its own
 * use only, so that it is read here as the language host hands it over.
 */
function encryptedOptions(): ReadonlySet<string> {
  const runtime = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };
  const keys = Object.keys(pulumi.runtime.allConfig()).filter((key) => key.startsWith(namespace));
  return new Set(keys.filter((key) => runtime.isConfigSecret(key)).map((key) => key.slice(namespace.length)));
}
