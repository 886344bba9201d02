import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { covers } from "./certificates";
import { componentInterfaces, components } from "./components";
import { contacts } from "./contacts";
import { dns } from "./dns";
import { checkDns, settleDns } from "./dns-target";
import { domainNames, domains } from "./domains";
import type { Environment } from "./environment";
import { checkHooks, hooks } from "./hooks";
import { host } from "./host";
import { checkFirewall, firewall, selinux } from "./host-access";
import { absentAccounts, admins, jids } from "./jids";
import { jidsFile } from "./jids-file";
import { logging } from "./logging";
import { checkMetrics, metrics } from "./metrics";
import { checkModules, disabledModules, extraModules, modules } from "./modules";
import { options } from "./options";
import { modulesOrigin } from "./origin";
import { isMap, numberOf } from "./parts";
import { ports } from "./ports";
import { always, refuse } from "./refused";
import { isTakenOut } from "./resolve-modules";
import { checkServices, conference, proxy65, upload } from "./services";
import { type Domain, defaultServer, type Server } from "./settings";
import { storage } from "./storage";
import { tls } from "./tls";
import { checkTurn, hasTurn, turn, turnHost } from "./turn";
import { checkWebClient, webClient } from "./web-client";

/** What one section has to know of the others, taken from the unchecked stack config. */
export interface Surroundings extends Environment {
  /** The virtual hosts that are written well. */
  domains: readonly string[];
  /** JIDs of the option `jids`, as they are written. */
  jids: readonly string[];
  sshPort: number;
  /** Top-level options that hold a secret somewhere. */
  encrypted: ReadonlySet<string>;
}

/** Looks at the sections that others refer to, whatever else may be wrong with them. */
export function surroundings(
  raw: Record<string, unknown>,
  env: Environment,
  encrypted: ReadonlySet<string>,
): Surroundings {
  const port = isMap(raw.host) ? numberOf(raw.host.port) : undefined;
  return {
    ...env,
    encrypted,
    domains: isMap(raw.domains) ? domainNames(raw.domains) : [],
    jids: isMap(raw.jids) ? Object.keys(raw.jids) : [],
    sshPort: typeof port === "number" ? port : 22,
  };
}

/** The schema of each option. */
export const sections = {
  host,
  domains,
  jids: (around: Surroundings) => jids(around.domains),
  jidsFile: (around: Surroundings) => jidsFile(around.files, around),
  admins,
  ports: (around: Surroundings) => ports(around.sshPort),
  conference: (around: Surroundings) => conference(around.domains),
  upload: (around: Surroundings) => upload(around.domains),
  proxy65: (around: Surroundings) => proxy65(around.domains),
  components: (around: Surroundings) => components(around.domains),
  componentInterfaces,
  modulesOrigin: (around: Surroundings) => modulesOrigin(around.files),
  turn: (around: Surroundings) => turn(around.domains),
  modules,
  extraModules,
  disabledModules,
  logging,
  metrics,
  webClient,
  storage,
  contacts,
  tls,
  dns,
  firewall,
  selinux,
  hooks: (around: Surroundings) => hooks(around.encrypted.has("hooks")),
  options: (around: Surroundings) => options(around.encrypted.has("options")),
};

type Shape = { [Option in keyof typeof sections]: ReturnType<(typeof sections)[Option]> };

const shape = (around: Surroundings) =>
  Object.fromEntries(Object.entries(sections).map(([option, section]) => [option, section(around)])) as Shape;

/**
 * The stack config: the only validation, and the only defaults. It turns what Pulumi hands over into a
 * {@link Server}, or reports every problem that it finds.
 */
export const schema = (around: Surroundings) =>
  z
    .strictObject(shape(around))
    .superRefine((given, ctx) => {
      checkModules(given, ctx);
      checkServices(given, around.domains, ctx);
      checkTurn(given, ctx);
      checkMetrics(given, ctx);
      checkWebClient(given, ctx);
      checkAdmins(given, ctx);
      checkDns(given, around.domains, ctx);
      checkFirewall(given, around.sshPort, ctx);
      checkHooks(given, ctx, around);
    }, always)
    .transform(
      ({
        host,
        jids,
        jidsFile = [],
        admins,
        contacts,
        conference,
        proxy65,
        turn,
        upload,
        ports,
        dns,
        ...rest
      }): Server => {
        const ofTurn = rest.domains.find(({ name }) => name === turn.domain) ?? rest.domains[0]!;
        const abuse = admins.length
          ? admins.map((jid) => `xmpp:${encodeURI(jid)}`)
          : [`mailto:postmaster@${rest.domains[0]!.name}`];
        return {
          ...rest,
          name: defaultServer,
          host,
          jids: [...jids, ...jidsFile],
          admins,
          ports,
          dns: settleDns(
            dns,
            host,
            turn,
            rest.domains.map(({ name }) => name),
          ),
          conference: { ...conference, enabled: conference.enabled && !isTakenOut("muc", rest) },
          proxy65: {
            ...proxy65,
            enabled: (proxy65.enabled ?? ports.proxy65 !== false) && !isTakenOut("proxy65", rest),
          },
          turn: {
            ...turn,
            domain: ofTurn.name,
            enabled: hasTurn(turn.enabled, ports),
            tls: ports.turnTls !== false && serves(ofTurn, turnHost({ ...turn, domain: ofTurn.name })),
          },
          upload: {
            ...upload,
            enabled: (upload.enabled ?? ports.https !== false) && !isTakenOut("http_file_share", rest),
          },
          contacts: { admin: [], support: [], security: [], ...contacts, abuse: contacts.abuse ?? abuse },
        };
      },
    );

/** The host asks for a certificate with all names; one of the user's has what it has. */
function serves({ certificate }: Domain, name: string): boolean {
  return !certificate || covers(new X509Certificate(certificate.certificate), name);
}

function checkAdmins(
  given: { jids?: unknown; jidsFile?: unknown; admins?: unknown },
  ctx: z.RefinementCtx,
): void {
  if (!Array.isArray(given.admins)) return;
  for (const option of ["jids", "jidsFile"] as const) {
    const absent = absentAccounts(given[option]);
    given.admins.forEach((admin, index) => {
      if (absent.includes(admin))
        refuse(ctx, `prosody:${option} says that this account must not exist; decide for one`, [
          "admins",
          index,
        ]);
    });
  }
}
