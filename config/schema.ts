import { z } from "zod";
import { contacts } from "./contacts";
import { domainNames, domains } from "./domains";
import type { Environment } from "./environment";
import { host } from "./host";
import { absentAccounts, admins, jids } from "./jids";
import { logging } from "./logging";
import { checkModules, disabledModules, extraModules, modules } from "./modules";
import { options } from "./options";
import { isMap, numberOf } from "./parts";
import { ports } from "./ports";
import { always, refuse } from "./refused";
import { checkServices, conference, proxy65, upload } from "./services";
import { defaultServer, type Server } from "./settings";
import { tls } from "./tls";

/** What one section has to know of the others, taken from the unchecked stack config. */
export interface Surroundings extends Environment {
  /** The virtual hosts that are written well. */
  domains: readonly string[];
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
    sshPort: typeof port === "number" ? port : 22,
  };
}

/**
 * The stack config: the only validation, and the only defaults. It turns what Pulumi hands over into a
 * {@link Server}, or reports every problem that it finds.
 */
export const schema = (around: Surroundings) =>
  z
    .strictObject({
      host: host(around),
      domains: domains(around),
      jids: jids(around.domains),
      admins: admins(),
      ports: ports(around.sshPort),
      conference: conference(around.domains),
      upload: upload(around.domains),
      proxy65: proxy65(around.domains),
      modules: modules(),
      extraModules: extraModules(),
      disabledModules: disabledModules(),
      logging: logging(),
      contacts: contacts(),
      tls: tls(),
      options: options(around.encrypted.has("options")),
    })
    .superRefine((given, ctx) => {
      checkModules(given, ctx);
      checkServices(given, around.domains, ctx);
      checkAdmins(given, ctx);
    }, always)
    .transform(({ host, admins, contacts, proxy65, upload, ports, ...rest }): Server => {
      const abuse = admins.length
        ? admins.map((jid) => `xmpp:${encodeURI(jid)}`)
        : [`mailto:postmaster@${rest.domains[0]!.name}`];
      return {
        ...rest,
        name: defaultServer,
        host,
        admins,
        ports,
        proxy65: { ...proxy65, enabled: proxy65.enabled ?? ports.proxy65 !== false },
        upload: { ...upload, enabled: upload.enabled ?? ports.https !== false },
        contacts: { admin: [], support: [], security: [], ...contacts, abuse: contacts.abuse ?? abuse },
      };
    });

function checkAdmins({ jids, admins }: { jids?: unknown; admins?: unknown }, ctx: z.RefinementCtx): void {
  if (!Array.isArray(admins)) return;
  const absent = absentAccounts(jids);
  admins.forEach((admin, index) => {
    if (absent.includes(admin))
      refuse(ctx, "prosody:jids says that this account must not exist; decide for one", ["admins", index]);
  });
}
