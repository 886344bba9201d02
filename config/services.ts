import { z } from "zod";
import { parseSubdomain } from "./domain-name";
import { flag, isMap, switchable, whole } from "./parts";
import { parsing, refuse, whenMap } from "./refused";
import type { ExternalComponent } from "./settings";

const bytes = Number.MAX_SAFE_INTEGER;
const subdomainHelp = "give a label such as conference";

export const subdomain = (standard: string, domains: readonly string[]) =>
  z
    .string(subdomainHelp)
    .transform(parsing((text) => parseSubdomain(text, domains)))
    .prefault(standard)
    .meta({
      description: "What comes before each virtual host.",
      form: "label",
      example: `subdomain: my-${standard}`,
    });

/** Group chats. */
export const conference = (domains: readonly string[]) =>
  switchable(
    z.strictObject(
      {
        enabled: flag().prefault(true).meta({ description: "Whether the virtual hosts have group chats." }),
        subdomain: subdomain("conference", domains),
        creators: z
          .enum(["everyone", "admins", "local"], "give everyone, admins or local")
          .prefault("local")
          .meta({
            description:
              "Who may create rooms: `everyone` (users of other servers, too), `admins`, or `local` users.",
          }),
      },
      "give a map with enabled, subdomain and creators, or false",
    ),
  )
    .prefault({})
    .meta({
      description: "Group chats (XEP-0045): one service per virtual host.",
      form: "map, or `false`",
      example: "conference: { subdomain: chat, creators: admins }",
    });

/** File sharing by HTTP. */
export const upload = (domains: readonly string[]) =>
  switchable(
    z
      .strictObject(
        {
          enabled: flag().optional().meta({
            description: "Whether clients can upload files.",
            otherwise: "`true`, unless `ports.https` is `false`",
          }),
          subdomain: subdomain("upload", domains),
          maxBytes: whole(1, bytes, "give bytes, a whole number such as 104857600 (100 MiB)")
            .prefault(104_857_600)
            .meta({ description: "Largest file, in bytes.", form: "whole number from 1" }),
          dailyQuotaBytes: whole(1, bytes, "give bytes, a whole number such as 1073741824 (1 GiB)")
            .prefault(1_073_741_824)
            .meta({
              description: "What one account may upload in a day, in bytes.",
              form: "whole number from 1",
            }),
          expiresAfterDays: whole(1, 36_500, "give days, a whole number from 1 to 36500")
            .prefault(28)
            .meta({ description: "Days until an uploaded file is deleted." }),
        },
        "give a map with enabled, maxBytes, dailyQuotaBytes and expiresAfterDays, or false",
      )
      .superRefine(({ maxBytes, dailyQuotaBytes }, ctx) => {
        if (dailyQuotaBytes < maxBytes)
          refuse(ctx, `give at least maxBytes (${maxBytes}), or no file of that size can be uploaded`, [
            "dailyQuotaBytes",
          ]);
      }, whenMap),
  )
    .prefault({})
    .meta({
      description: "File upload (XEP-0363): one service per virtual host, reached through `ports.https`.",
      form: "map, or `false`",
      example: "upload: { maxBytes: 20971520, expiresAfterDays: 7 }",
    });

/** File transfer between two clients. */
export const proxy65 = (domains: readonly string[]) =>
  switchable(
    z.strictObject(
      {
        enabled: flag().optional().meta({
          description: "Whether the proxy runs.",
          otherwise: "`true`, unless `ports.proxy65` is `false`",
        }),
        subdomain: subdomain("proxy", domains),
      },
      "give a map with enabled and subdomain, or false",
    ),
  )
    .prefault({})
    .meta({
      description: "A proxy for file transfer between clients that can't reach each other (XEP-0065).",
      form: "map, or `false`",
      example: "proxy65: false",
    });

const names = ["conference", "upload", "proxy65", "turn"] as const;

/** The ports that services can't do without. */
const needs = { conference: undefined, upload: "https", proxy65: "proxy65", turn: undefined } as const;

type Given = Partial<
  Record<(typeof names)[number] | "ports" | "options" | "components" | "componentInterfaces", unknown>
>;

/** Names and ports of the services against each other; any section may have problems of its own. */
export function checkServices(given: Given, domains: readonly string[], ctx: z.RefinementCtx): void {
  const taken = new Map(domains.map((domain) => [domain, `the virtual host ${domain}`]));
  for (const name of names) {
    const service = given[name];
    if (!isMap(service) || service.enabled === false || !checkPort(name, service, given, ctx)) continue;
    if (typeof service.subdomain === "string") checkName(name, service.subdomain, domains, taken, ctx);
  }
  checkComponents(given, taken, ctx);
}

/** @returns whether the service runs */
function checkPort(
  name: (typeof names)[number],
  service: Record<string, unknown>,
  { ports, options }: Given,
  ctx: z.RefinementCtx,
): boolean {
  const port = needs[name];
  if (!port || !isMap(ports) || ports[port] !== false) return true;
  if (service.enabled !== true) return false;
  if (name === "upload" && isMap(options) && "http_external_url" in options) return true; // a web server in front
  refuse(ctx, `it needs prosody:ports.${port}, which is false; give that port, or switch this off, too`, [
    name,
    "enabled",
  ]);
  return false;
}

function checkName(
  name: string,
  subdomain: string,
  domains: readonly string[],
  taken: Map<string, string>,
  ctx: z.RefinementCtx,
): void {
  const clash = domains.map((domain) => `${subdomain}.${domain}`).find((full) => taken.has(full));
  if (clash)
    refuse(ctx, `${clash} is also ${taken.get(clash)}; choose another subdomain`, [name, "subdomain"]);
  for (const domain of domains) taken.set(`${subdomain}.${domain}`, `the name of prosody:${name}`);
}

function checkComponents(given: Given, taken: ReadonlyMap<string, string>, ctx: z.RefinementCtx): void {
  const { components, ports } = given;
  for (const option of ["components", "componentInterfaces"] as const) {
    const value = given[option];
    if (Array.isArray(value) && value.length > 0 && isMap(ports) && ports.components === false)
      refuse(ctx, "they need prosody:ports.components, which is false; give that port, or leave them out", [
        option,
      ]);
  }
  if (!Array.isArray(components)) return;
  for (const { name, subdomain } of components as ExternalComponent[])
    if (taken.has(name))
      refuse(ctx, `${name} is also ${taken.get(name)}; choose another name`, ["components", subdomain]);
}
