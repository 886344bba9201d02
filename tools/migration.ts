import { parseDocument } from "yaml";
import { secretName } from "../config/options";
import { isMap } from "../config/parts";
import { optionPath } from "../config/problems";

/** An old variables file as a stack config. */
export interface Migration {
  /** Option (without `prosody:`) → value; secrets are not among them. */
  config: Record<string, unknown>;
  /** Secrets, by the path that `pulumi config set --path` wants. */
  secrets: Map<string, string>;
  /** What could not be taken over as it was, in sentences. */
  notes: string[];
}

type Values = Record<string, unknown>;

const ports = { client_starttls: "clientStarttls", client_ssl: "clientDirectTls", server: "server" };
const top = ["jids", "ports", "ssl", "conference", "components", "admin_jids", "global_stanzas"];
const others = ["modules_origin", "modules", "extra_modules", "logging"];

/**
 * Translates the variables of the Ansible role that this project replaces. docs/migrating.md says what becomes of
 * each of them.
 * @param text of a YAML file with `ssl` and `xmpp`, by itself or below `vars` of a play
 * @throws Error when it is no such file
 */
export function migrate(text: string): Migration {
  const { ssl, xmpp = {} } = variables(text);
  const found: Migration = { config: {}, secrets: new Map(), notes: [] };
  const { config, notes } = found;
  if (isMap(ssl)) config.domains = domains(ssl, found);
  if (!isMap(xmpp))
    throw new Error(
      "xmpp is no map: this is no variables file of the role prosodyxmpp. Give the YAML file that sets ssl and xmpp.",
    );

  if (isMap(xmpp.jids)) config.jids = jids(xmpp.jids, found);
  const admins = xmpp.admin_jids;
  if (admins !== undefined && admins !== null && !isElsewhere(admins)) config.admins = admins;
  if (isMap(xmpp.ports)) config.ports = renamed(xmpp.ports, ports, "xmpp.ports", notes);
  if (isMap(xmpp.conference))
    config.conference = renamed(
      xmpp.conference,
      same("enabled", "subdomain", "creators"),
      "xmpp.conference",
      notes,
    );
  if (isMap(xmpp.components)) secretsOf("components", xmpp.components, found);
  if (isMap(xmpp.ssl)) tls(xmpp.ssl, found);
  if (isMap(xmpp.logging))
    config.logging = renamed(xmpp.logging, { prosody_log: "file", syslog: "syslog" }, "xmpp.logging", notes);
  if (Array.isArray(xmpp.modules)) config.modules = xmpp.modules;
  if (Array.isArray(xmpp.extra_modules) && xmpp.extra_modules.length > 0)
    config.extraModules = xmpp.extra_modules;
  modulesOrigin(xmpp.modules_origin, found);
  if (isMap(xmpp.global_stanzas)) stanzas(xmpp.global_stanzas, found);
  for (const [name, value] of Object.entries(xmpp))
    if (![...top, ...others].includes(name))
      notes.push(`xmpp.${name}: the old role has no such variable; left out.`);
    else if (isElsewhere(value))
      notes.push(`xmpp.${name}: Ansible takes it from elsewhere; see docs/migrating.md for its option.`);
  notes.push("prosody:host is still to be set: the address of the host, and how SSH reaches it.");
  return found;
}

function variables(text: string): Values {
  const vault = { tag: "!vault", resolve: () => "!vault" };
  const document = parseDocument(text, { version: "1.1", customTags: (tags) => [...tags, vault] });
  const [error] = document.errors;
  // The parser's own message has lines of the file, which may hold a password.
  if (error)
    throw new Error(
      `This is no YAML${error.linePos ? `: see line ${error.linePos[0].line}` : ""}. Give the YAML file that sets ssl and xmpp.`,
    );
  const parsed: unknown = document.toJS();
  const play = Array.isArray(parsed) ? parsed.find((each) => isMap(each) && isMap(each.vars)) : parsed;
  const found = isMap(play) && isMap(play.vars) ? play.vars : play;
  if (!isMap(found) || !("ssl" in found || "xmpp" in found))
    throw new Error(
      "There is neither ssl nor xmpp at the top: this is no variables file of the role prosodyxmpp. Give the YAML file that sets them.",
    );
  return found;
}

/** What Ansible would fill in from elsewhere. */
const isElsewhere = (value: unknown) =>
  typeof value === "string" && (value === "!vault" || /\{[{%]/.test(value));

function domains(ssl: Values, found: Migration): Values {
  return Object.fromEntries(
    Object.entries(ssl).map(([domain, entry]) => {
      const { key, certificate, intermediates } = isMap(entry) ? entry : {};
      const place = (name: string) => `ssl[${JSON.stringify(domain)}].${name}`;
      const file = (name: string, value: unknown) => fileOf(value) ?? open(place(name), value, found);
      const chain = (Array.isArray(intermediates) ? intermediates : [intermediates]).filter(Boolean);
      const translated: Values = { certificate: file("certificate", certificate) };
      if (typeof key === "string" && key.includes("-----BEGIN"))
        found.secrets.set(pathOf("domains", domain, "key"), key);
      else translated.keyFile = file("key", key);
      if (chain.length > 0) translated.intermediates = chain.map((each) => file("intermediates", each));
      return [domain, translated];
    }),
  );
}

/** The path of `{{ lookup('file', 'PATH') }}`, or the text itself. */
function fileOf(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const lookup = /^\s*\{\{\s*(?:lookup|query)\(\s*(['"])file\1\s*,\s*(['"])([^'"]+)\2\s*\)\s*\}\}\s*$/.exec(
    value,
  );
  return lookup ? lookup[3] : isElsewhere(value) ? undefined : value;
}

function open(place: string, value: unknown, { notes }: Migration): string {
  const why =
    value === undefined || value === null ? "it is not in this file" : "Ansible takes it from elsewhere";
  notes.push(`${place}: ${why}; give the path of the file.`);
  return "TODO";
}

function jids(given: Values, found: Migration): Values {
  const absent = Object.entries(given).filter(([, password]) => isNothing(password));
  secretsOf(
    "jids",
    Object.fromEntries(Object.entries(given).filter(([, password]) => !isNothing(password))),
    found,
  );
  return Object.fromEntries(absent.map(([jid]) => [jid, null]));
}

/** The README says `None`, which YAML takes for a text. */
const isNothing = (value: unknown) => value === null || value === "" || value === "None";

function secretsOf(option: string, given: Values, found: Migration): void {
  for (const [key, value] of Object.entries(given))
    keepSecret(value, [option, key], `xmpp.${option}[${JSON.stringify(key)}]`, found);
}

/** @param place of the value in the variables file */
function keepSecret(
  value: unknown,
  path: readonly PropertyKey[],
  place: string,
  { secrets, notes }: Migration,
): void {
  if (isElsewhere(value) || isNothing(value) || typeof value === "object")
    notes.push(
      `${place}: Ansible takes it from elsewhere; set it: pulumi config set --path --secret '${shown(pathOf(...path))}'`,
    );
  else secrets.set(pathOf(...path), String(value));
}

function tls({ protocol }: Values, { config, notes }: Migration): void {
  const version = /1[._]?([23])/.exec(String(protocol ?? ""))?.[1];
  if (version) config.tls = { minimum: `1.${version}` };
  else if (protocol !== undefined && protocol !== null)
    notes.push(
      `xmpp.ssl.protocol: ${JSON.stringify(protocol)} allows what is broken (RFC 8996); the least version is 1.2.`,
    );
}

/** Without it, the role takes a revision of years ago, which today's Prosody has no use for. */
function modulesOrigin(given: unknown, { config, notes }: Migration): void {
  if (given === undefined || given === null || given === "package" || isElsewhere(given)) return;
  const { source, revision } = isMap(given) ? given : {};
  const isPinned = ["string", "number"].includes(typeof revision) && !isElsewhere(revision);
  if (typeof source === "string" && isPinned) config.modulesOrigin = { source, revision: String(revision) };
  else
    notes.push(
      "xmpp.modules_origin: it has no source and revision, so that community modules come from the distribution's package; set prosody:modulesOrigin.",
    );
}

function stanzas(given: Values, found: Migration): void {
  const { config, notes } = found;
  const { http_max_content_size: _, http_upload_file_size_limit, components_listen_port, ...rest } = given;
  if (http_upload_file_size_limit !== undefined) config.upload = { maxBytes: http_upload_file_size_limit };
  if (components_listen_port !== undefined)
    config.ports = { ...(config.ports as Values | undefined), components: components_listen_port };
  if (Object.keys(rest).length > 0) {
    config.options = withoutSecrets(rest, ["options"], found);
    notes.push(
      "xmpp.global_stanzas: prosody:options are checked; what has an option of its own here is refused, with its name.",
    );
  }
}

/** Options at any depth but for texts that are secrets by their names; those are kept where secrets are. */
function withoutSecrets(value: unknown, path: readonly PropertyKey[], found: Migration): unknown {
  if (Array.isArray(value)) return value.map((item, index) => withoutSecrets(item, [...path, index], found));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const place = [...path, name];
      const isText = ["string", "number"].includes(typeof item);
      if (!isElsewhere(item) && !(isText && secretName.test(name)))
        return [[name, withoutSecrets(item, place, found)]];
      keepSecret(item, place, pathOf(...place).replace("options", "xmpp.global_stanzas"), found);
      return [];
    }),
  );
}

const same = (...names: string[]) => Object.fromEntries(names.map((name) => [name, name]));

function renamed(given: Values, names: Record<string, string>, place: string, notes: string[]): Values {
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (Object.hasOwn(names, name)) return [[names[name]!, value]];
      notes.push(`${place}.${name}: the old role has no such variable; left out.`);
      return [];
    }),
  );
}

const pathOf = (...path: PropertyKey[]) => optionPath(path).replace("prosody:", "");

/** A path between apostrophes of a shell. */
export const shown = (path: string) => path.replaceAll("'", "'\\''");
