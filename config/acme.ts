import { z } from "zod";
import { parseCertificates } from "./certificates";
import { parseDomain } from "./domain-name";
import { type Environment, readText } from "./environment";
import { list } from "./parts";
import { parsing, Refused } from "./refused";

const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory";
const emailHelp = "give an e-mail address, such as hostmaster@example.com";
const serverHelp = `give the URL of the authority's directory, such as ${letsEncrypt}`;

/** How the host gets a certificate by itself (RFC 8555). */
export const acme = (env: Environment) =>
  z.strictObject(
    {
      email: z
        .string(emailHelp)
        .regex(/^[^\s@<>",;]+@[^\s@<>",;]+\.[^\s@<>",;]+$/, emailHelp)
        .meta({
          description: "Where the authority writes to about the certificate.",
          form: "e-mail address",
        }),
      server: z.string(serverHelp).transform(parsing(parseDirectory)).prefault(letsEncrypt).meta({
        description:
          "The authority's directory. By using it you agree to the authority's terms of service. Try things out with https://acme-staging-v02.api.letsencrypt.org/directory, which has no low limits and that no client trusts.",
        form: "https:// URL",
      }),
      challenge: z.enum(["http-01"], "give http-01").prefault("http-01").meta({
        description:
          "How the authority sees that the names are yours. `http-01`: it connects to port 80 of each name, which certbot opens while it renews.",
      }),
      names: list(
        z.string("give a domain such as www.example.com").transform(parsing(parseDomain)),
        "give a domain such as www.example.com, or a list of them",
      )
        .prefault([])
        .meta({
          description: "Names on the certificate besides those of the domain and its services.",
          form: "domain, or a list of them",
        }),
      caFile: z
        .string("give the path of a PEM file")
        .transform(parsing((file) => authority(env, file)))
        .optional()
        .meta({
          description:
            "Certificate of the authority that the directory's own certificate is from, where it is none of the public ones.",
          form: "path",
        }),
    },
    "give a map with email, such as { email: hostmaster@example.com }",
  );

/** @throws Refused */
function parseDirectory(text: string): string {
  if (!/^https:\/\/[^\s/]+/.test(text) || !URL.canParse(text)) throw new Refused(serverHelp);
  return text;
}

/** @throws Refused */
function authority(env: Environment, file: string): string {
  if (file.trim() === "") throw new Refused("give the path of a PEM file");
  return parseCertificates(readText(env.files, file)).map(String).join("");
}
