import { optionPath } from "../config/problems";
import type { Expected } from "./expected";

/** Node.js's codes for a certificate that it refuses: no way to a known authority; not valid now, or not for the name. */
const untrusted = /\b(UNABLE_TO_(GET_ISSUER|VERIFY)\w+|(DEPTH_ZERO_)?SELF_SIGNED_CERT(_IN_CHAIN)?)\b/;
const invalid = /\b(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|ERR_TLS_CERT_ALTNAME_INVALID)\b/;

/** What turns a line green that failed because of the certificate, whatever else it tries; `undefined` for other failures. */
export function certificateRemedy(failure: string, { domain, server }: Expected): string | undefined {
  const option = optionPath(["domains", domain]);
  if (invalid.test(failure)) return `the certificate of ${option}`;
  if (!untrusted.test(failure)) return undefined;
  const source = server.domains.find(({ name }) => name === domain);
  if (source?.certificate) return `${option}.intermediates, or --ca for an authority of your own`;
  return source?.selfSigned
    ? `${option}.acme; for a trial, --ca with the certificate itself, /etc/prosody/certs/${domain}.crt on the host`
    : `--ca, with the authority that issued the certificate of ${option}`;
}
