import { type KeyObject, X509Certificate } from "node:crypto";
import { z } from "zod";
import { acme } from "./acme";
import { certificateProblems, distinct, parseCertificates, parseKey } from "./certificates";
import { parseDomain } from "./domain-name";
import { type Environment, type Files, readText } from "./environment";
import { flag, list } from "./parts";
import { accepting, attempt, isBroken, parsing, Refused, refuse, whenMap } from "./refused";
import { Secret } from "./secret";
import type { AcmeSettings, Domain } from "./settings";
import { either } from "./words";

const certificateHelp = "give the path of a PEM file, or the PEM text itself";
const keyHelp = "give the key as PEM text: pulumi config set --path --secret, or keyFile";

/** The virtual hosts and their certificates. */
export const domains = (env: Environment) =>
  z
    .record(z.string().superRefine(accepting(parseDomain)), domain(env), {
      error: "give a map from each domain to its certificate",
    })
    .superRefine((record, ctx) => {
      if (Object.keys(record).length === 0) refuse(ctx, "name at least one domain, with its certificate");
      const seen = new Map<string, string>();
      for (const [written, entry] of Object.entries(record)) {
        const name = attempt(() => parseDomain(written));
        if (name === undefined) continue;
        const twin = seen.get(name);
        if (twin) refuse(ctx, `this is the same domain as ${twin}; keep one of them`, [written]);
        seen.set(name, written);
        for (const { option, message } of problemsOf(name, entry, env.now))
          refuse(ctx, message, [written, option === "key" && entry.keyFile ? "keyFile" : option]);
      }
    }, whenMap)
    .transform((record) =>
      Object.entries(record).map(([written, entry]): Domain => {
        const { leaf, key, intermediates } = chainOf(entry);
        return {
          name: parseDomain(written),
          ...(leaf && {
            certificate: {
              certificate: leaf.toString(),
              key: new Secret(key!.pem),
              intermediates: intermediates.map(String),
            },
          }),
          ...(entry.acme && { acme: acmeSettings(entry.acme) }),
          ...(entry.selfSigned && { selfSigned: true as const }),
        };
      }),
    )
    .meta({
      description:
        "The virtual hosts (https://prosody.im/doc/configure#virtual_hosts), each with its certificate. Internationalised names may be written as they are.",
      form: "map from domain to its certificate",
      example: `domains:
  example.com:
    certificate: certs/example.com.crt
    keyFile: certs/example.com.key
    intermediates: [certs/ca-bundle.crt]
  example.net:
    acme: { email: hostmaster@example.net }`,
    });

const domain = (env: Environment) =>
  z
    .strictObject(
      {
        certificate: certificates(env.files, certificateHelp).optional().meta({
          description:
            "The certificate for the domain itself, not for the host. It should also cover the subdomains of conferences and uploads. Certificates after the first one count as intermediates, so a full chain will do.",
          form: "path or PEM text",
          otherwise: "none; give this, or `acme`, or `selfSigned`",
          example: "certificate: certs/example.com.crt",
        }),
        key: z.string(keyHelp).transform(parsing(keyText)).optional().meta({
          description: "The private key, unencrypted (Pulumi encrypts it). Either this or `keyFile`.",
          form: "PEM text",
          secret: true,
          otherwise: "none; give this or `keyFile`",
        }),
        keyFile: z
          .string("give the path of the private key in PEM form")
          .transform(parsing((file) => keyFile(env.files, file)))
          .optional()
          .meta({
            description: "Path of the private key on the machine that runs Pulumi.",
            form: "path",
            otherwise: "none; give this or `key`",
            example: "keyFile: certs/example.com.key",
          }),
        intermediates: list(certificates(env.files, certificateHelp), `${certificateHelp}, or a list of them`)
          .prefault([])
          .meta({
            description:
              "The certificates between this one and the root, in order: each issued by the next, the one nearest the root last.",
            form: "path or PEM text, or a list of them",
            example: "intermediates: [certs/ca-bundle.crt]",
          }),
        acme: acme(env).optional().meta({
          description:
            "The host gets its certificate from an authority (ACME, RFC 8555), Let's Encrypt unless `server` says otherwise, for the domain and its services, and renews it by itself. Each name has to lead to the host, and port 80 to be reachable from the internet. A map with `email` (required), `server`, `challenge` (`http-01`), `names` (further ones) and `caFile` (of a private authority).",
          form: "map",
          otherwise: "none",
          example: "acme: { email: hostmaster@example.com }",
        }),
        selfSigned: flag().optional().meta({
          description:
            "The host makes a certificate itself and renews it. For trials: nobody trusts it unless they are told to.",
          otherwise: "`false`",
        }),
      },
      "give a map with certificate and keyFile, or with acme",
    )
    .superRefine((entry, ctx) => {
      const isFiles =
        ["certificate", "key", "keyFile"].some((option) => isGiven(entry, option)) ||
        entry.intermediates?.length;
      const sources = [
        isFiles && "certificate",
        isGiven(entry, "acme") && "acme",
        isGiven(entry, "selfSigned") && entry.selfSigned !== false && "selfSigned",
      ].filter((source) => typeof source === "string");
      if (sources.length > 1)
        refuse(ctx, `a domain has one certificate; give only one of ${either(sources, "and")}`);
      if (sources.length === 0)
        refuse(
          ctx,
          "its certificate is missing; give certificate and keyFile, or let the host get one: acme: { email: … }",
        );
      if (!isFiles) return;
      if (!isGiven(entry, "certificate") && !isBroken(ctx, "certificate"))
        refuse(ctx, `is missing; ${certificateHelp}`, ["certificate"]);
      if (entry.key !== undefined && entry.keyFile !== undefined)
        refuse(ctx, "give either key or keyFile, not both", ["keyFile"]);
      if (entry.key === undefined && entry.keyFile === undefined)
        refuse(ctx, "key is missing; give keyFile: PATH, or the key itself as a secret");
    }, whenMap);

function acmeSettings({ caFile, ...rest }: z.output<ReturnType<typeof acme>>): AcmeSettings {
  return { ...rest, ...(caFile !== undefined && { ca: caFile }) };
}

/** Something is there, be it right or wrong. */
function isGiven(entry: object, option: string): boolean {
  return option in entry && (entry as Record<string, unknown>)[option] !== undefined;
}

type Entry = Partial<z.output<ReturnType<typeof domain>>>;

/** The domains that are written well, normalised: other options refer to them even when some have problems. */
export function domainNames(record: object): string[] {
  const names = Object.keys(record).flatMap((name) => attempt(() => parseDomain(name)) ?? []);
  return [...new Set(names)];
}

/** What of an entry could be parsed. */
function chainOf(entry: Entry): {
  leaf?: X509Certificate;
  key?: { key: KeyObject; pem: string };
  intermediates: X509Certificate[];
} {
  const [leaf, ...others] = distinct(
    [entry.certificate, entry.intermediates].flat(2).filter((one) => one instanceof X509Certificate),
  );
  return { leaf, key: entry.key ?? entry.keyFile, intermediates: others };
}

function problemsOf(name: string, entry: Entry | null, now: Date) {
  if (!(entry?.certificate?.[0] instanceof X509Certificate)) return [];
  const { leaf, key, intermediates } = chainOf(entry);
  return leaf ? certificateProblems(name, leaf, key?.key, intermediates, now) : [];
}

function certificates(files: Files, help: string) {
  return z.string(help).transform(
    parsing((text) => {
      if (text.includes("-----BEGIN") || /[\r\n]/.test(text)) return parseCertificates(text);
      if (text.trim() === "") throw new Refused(help);
      return parseCertificates(readText(files, text));
    }),
  );
}

function keyText(text: string) {
  if (!/-----BEGIN|\n/.test(text) && /[./]/.test(text) && text.length < 256)
    throw new Refused("this looks like a path; the path of a key goes into keyFile");
  return parseKey(text);
}

function keyFile(files: Files, file: string) {
  if (file.includes("-----BEGIN")) throw new Refused("this is the key itself; it goes into key, as a secret");
  if (file.trim() === "") throw new Refused("give the path of the private key in PEM form");
  return parseKey(readText(files, file));
}
