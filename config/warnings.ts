import { X509Certificate } from "node:crypto";
import { covers, day, daysLeft, missingIssuer } from "./certificates";
import { isLoopback } from "./components";
import type { Environment } from "./environment";
import { defaultModules } from "./features";
import { listeners } from "./listeners";
import { coreModules, fateOf } from "./module-names";
import { secretName } from "./options";
import { isMap } from "./parts";
import { optionPath } from "./problems";
import { releases } from "./release";
import { Secret } from "./secret";
import { type Entry, inPlace } from "./servers";
import type { Domain, Server } from "./settings";
import { closest, either } from "./words";

/** What works, but hardly as it was meant. Each is a sentence with the option and the fix. */
export function warningsFor(
  server: Server,
  { raw, encrypted, place }: Entry,
  { now }: Pick<Environment, "now">,
): string[] {
  return [
    ...clearTexts(raw, encrypted),
    ...server.domains.flatMap((domain) => certificateWarnings(domain, server, now)),
    ...publicComponents(server),
    ...idleNames(server),
    ...(isCheckedElsewhere(server) ? idleAccounts(server) : vacantAdmins(server)),
  ].map((warning) => inPlace(warning, place));
}

function certificateWarnings({ name, certificate, selfSigned }: Domain, server: Server, now: Date): string[] {
  const option = optionPath(["domains", name]);
  if (!certificate)
    return [
      ...(server.dns.tlsa
        ? [
            `prosody:dns.tlsa: ${name} has no TLSA records, because its keys are made on the host, and change.`,
          ]
        : []),
      ...(selfSigned
        ? [
            `${option}.selfSigned: clients and other servers don't trust such a certificate; it is for trials. Set acme, or certificate and keyFile, before people use the server.`,
          ]
        : []),
    ];
  const chain = [certificate.certificate, ...certificate.intermediates].map(
    (pem) => new X509Certificate(pem),
  );
  const warnings = uncovered(chain[0]!, name, server).map((text) => `${option}.certificate: ${text}`);
  const days = daysLeft(chain[0]!, now);
  if (days < 21)
    warnings.push(
      `${option}.certificate: it expires on ${day(new Date(chain[0]!.validTo))}, in ${days} ${days === 1 ? "day" : "days"}. Replace the files by renewed ones and run pulumi up, or let the host renew it by itself (acme).`,
    );
  const issuer = missingIssuer(chain);
  if (issuer)
    warnings.push(
      `${option}.intermediates: the chain ends at ${issuer}, which is no public authority; clients that don't know it refuse the certificate. Add what is missing, ${issuer} itself included.`,
    );
  return warnings;
}

/** XEP-0114 authenticates a component, and encrypts nothing. */
function publicComponents({ componentInterfaces, ports }: Server): string[] {
  const open = componentInterfaces.filter((address) => !isLoopback(address));
  return open.length === 0 || ports.components === false
    ? []
    : [
        `prosody:componentInterfaces: external components may connect at ${either(open, "and")}, without encryption. See that nobody else reaches port ${ports.components} there, or leave the option out.`,
      ];
}

/** Modules that nothing loads: a name that is not quite one would leave on what it was to switch off. */
function idleNames({ modules, extraModules, disabledModules }: Server): string[] {
  const known = [
    ...modules,
    ...extraModules,
    ...defaultModules,
    ...releases.flatMap((each) => [...coreModules[each]]),
  ];
  const isKnown = (name: string) =>
    known.includes(name) || releases.some((release) => fateOf(name, release) !== undefined);
  return disabledModules
    .filter((name) => !isKnown(name))
    .map((name) => {
      const near = closest(name, known);
      return `prosody:disabledModules: nothing loads a module ${name}, so that this switches nothing off; ${near ? `did you mean ${near}?` : "leave it out."}`;
    });
}

/** Whether passwords are others than those of the accounts in Prosody's storage, which is where prosody:jids makes them. */
function isCheckedElsewhere({ options: { authentication: given } }: Server): boolean {
  const authentication = given instanceof Secret ? given.reveal() : given;
  return typeof authentication === "string" && !/^(internal_.*|insecure)$/.test(authentication);
}

function idleAccounts({ jids }: Server): string[] {
  return jids.length > 0
    ? [
        "prosody:options.authentication: it has accounts of its own, of which prosody:jids says nothing: a password there lets nobody in, and null keeps nobody out. Leave them out of prosody:jids; the data of those that were there stay.",
      ]
    : [];
}

/** Rights follow the name, and an invitation without one lets whoever has it choose. */
function vacantAdmins({ admins, domains, jids }: Server): string[] {
  return admins
    .filter((admin) => domains.some(({ name }) => admin.endsWith(`@${name}`)))
    .filter((admin) => !jids.some(({ jid }) => jid === admin))
    .map(
      (admin) =>
        `prosody:admins: ${admin} is none of prosody:jids. While there is no such account, who has an invitation may choose that name, and is administrator then. Add it to prosody:jids; an account that is there keeps its password.`,
    );
}

/** Servers that clients look for at one address and port, where one host alone can answer. */
export function sharedAddresses(servers: readonly Server[], entries: readonly Entry[]): string[] {
  const taken = new Map<string, string>();
  return servers.flatMap((server, index) => {
    const { target, address } = server.dns;
    const { place } = entries[index]!;
    const ports = listeners(server).flatMap((each) =>
      each.public && each.program === "prosody" ? [each.port] : [],
    );
    const clash = [target, address.ipv4, address.ipv6].flatMap((where) => {
      if (where === undefined) return [];
      const keys = ports.map((port) => ({ port, key: `${where} ${port}` }));
      const [first] = keys.filter(({ key }) => taken.has(key));
      for (const { key } of keys) if (!taken.has(key)) taken.set(key, server.name);
      return first ? [{ where, port: first.port, other: taken.get(first.key)! }] : [];
    })[0];
    if (!clash) return [];
    const option = clash.where === target ? "target" : "address";
    return [
      `${optionPath(place(["dns", option]))}: clients of ${server.name} are sent to ${clash.where}, port ${clash.port}, and so are those of ${clash.other}, another host. Give each server its own in ${optionPath(["servers", server.name, "dns"])}, or other ports.`,
    ];
  });
}

/**
 * Subdomains whose own name a peer checks: rooms when other servers connect, uploads when clients do. Nobody opens
 * an encrypted connection to the file transfer proxy, so its name does not matter.
 */
function uncovered(leaf: X509Certificate, domain: string, server: Server): string[] {
  const { conference, upload, turn, ports } = server;
  const federated = ports.server !== false || ports.serverDirectTls !== false;
  const missing = [
    {
      ...conference,
      option: "conference",
      matters: federated,
      loss: "users of other servers can't join rooms",
    },
    { ...upload, option: "upload", matters: true, loss: "clients can't upload files" },
    {
      ...turn,
      option: "ports.turnTls",
      matters: domain === turn.domain && ports.turnTls !== false,
      loss: "calls can't be relayed over TLS",
    },
  ]
    .filter(
      ({ enabled, matters, subdomain }) => enabled && matters && !covers(leaf, `${subdomain}.${domain}`),
    )
    .map(({ subdomain, ...rest }) => ({ ...rest, name: `${subdomain}.${domain}` }));
  const external = server.components
    .filter((component) => federated && component.domain === domain && !covers(leaf, component.name))
    .map(({ name }) => ({ name, loss: `users of other servers can't reach ${name}`, option: undefined }));
  return lacking([...missing, ...external], domain);
}

/** One sentence for all names that a certificate lacks. */
function lacking(
  missing: { name: string; loss: string; option: string | undefined }[],
  domain: string,
): string[] {
  if (missing.length === 0) return [];
  const names = either(
    missing.map(({ name }) => name),
    "and",
  );
  const losses = either(
    missing.map(({ loss }) => loss),
    "and",
  );
  const switches = missing.flatMap(({ option }) => (option ? [`prosody:${option}: false`] : []));
  const off = switches.length > 0 ? `, or set ${either(switches)}` : "";
  return [
    `it does not cover ${names}, so ${losses}. Ask for a certificate with ${missing.length > 1 ? "these names" : "this name"} among its subject alternative names (or *.${domain})${off}.`,
  ];
}

/** Where secrets stand that are no entries of a list. */
const secretPlaces = [
  ["storage", "postgresql", "password"],
  ["host", "privateKey"],
  ["host", "passphrase"],
  ["host", "sudo", "password"],
  ["dns", "apiToken"],
  ["dns", "key", "secret"],
];

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce((at, key) => (isMap(at) ? at[key] : undefined), value);

/** Secrets that are not stored as such. */
function clearTexts(raw: Record<string, unknown>, encrypted: ReadonlySet<string>): string[] {
  const found: PropertyKey[][] = [];
  const note = (value: unknown, ...path: PropertyKey[]) => {
    if (typeof value === "string" && value !== "" && !encrypted.has(String(path[0]))) found.push(path);
  };
  for (const [jid, account] of Object.entries(isMap(raw.jids) ? raw.jids : {}))
    if (isMap(account)) note(account.password, "jids", jid, "password");
    else note(account, "jids", jid);
  const passwords = found.map(([, jid]) => String(jid));
  if (passwords.length > 3) found.length = 0;
  for (const [domain, entry] of Object.entries(isMap(raw.domains) ? raw.domains : {}))
    if (isMap(entry)) note(entry.key, "domains", domain, "key");
  componentSecrets(raw.components, note);
  for (const path of secretPlaces) note(valueAt(raw, path), ...path);
  for (const [name, value] of Object.entries(isMap(raw.options) ? raw.options : {}))
    if (secretName.test(name)) note(value, "options", name);
  const each = found.map((path) => {
    const option = optionPath(path);
    const key = option.replace(/^prosody:/, "").replaceAll("'", "'\\''");
    return `${option}: it is stored in clear. Encrypt it: pulumi config set --path --secret '${key}'`;
  });
  return passwords.length > 3 ? [manyPasswords(passwords), ...each] : each;
}

function manyPasswords(jids: string[]): string {
  return `prosody:jids: ${jids.length} passwords are stored in clear, those of ${jids.slice(0, 3).join(", ")} and others. Encrypt each: pulumi config set --path --secret 'jids["JID"]' ('jids["JID"].password' where the account is a map)`;
}

function componentSecrets(components: unknown, note: (value: unknown, ...path: PropertyKey[]) => void): void {
  const noteOne = (given: unknown, ...path: PropertyKey[]) =>
    isMap(given) ? note(given.secret, ...path, "secret") : note(given, ...path);
  for (const [key, component] of Object.entries(isMap(components) ? components : {})) {
    noteOne(component, "components", key);
    const overrides = isMap(component) && isMap(component.domains) ? component.domains : {};
    for (const [domain, own] of Object.entries(overrides))
      if (own !== "false") noteOne(own, "components", key, "domains", domain);
  }
}
