import { createHash } from "node:crypto";
import type { AcmeCertificateInputs } from "../../providers/acme-certificate";
import { lineages } from "../../providers/facts/lineages";
import { FakeHost } from "./fake-host";
import { certified } from "./x509";

/** A certificate of certbot's, as its stack config wants it and as a host has it. */
export const inputs: AcmeCertificateInputs = {
  server: "prosody",
  domain: "example.test",
  names: ["example.test", "upload.example.test"],
  email: "a@example.test",
  directory: "https://ca/dir",
  ca: "",
  hook: "#!/bin/sh\n",
  deployed: true,
  overdue: "",
};
const leaf = certified({
  subject: "x",
  names: ["upload.example.test", "example.test"],
  from: "2026-01-01",
  to: "2026-04-01",
});
export const certificate = createHash("sha256").update(leaf.certificate).digest("hex");
export const base64 = (text: string) => Buffer.from(text).toString("base64");
export const now = (date: string) => `now ${Date.parse(date) / 1000}\n`;
export const row = ({
  pair = "yes",
  deployed = "yes",
  retried = "yes",
  adopted = "no",
  directory = inputs.directory,
  hook = inputs.hook,
} = {}) =>
  `lineage example.test ${pair} ${deployed} ${retried} ${adopted} ${directory} chain=${base64(leaf.certificate)} served=${base64(leaf.certificate)} hook=${base64(hook)}\n`;
export const state = {
  ...inputs,
  expires: "2026-04-01T00:00:00.000Z",
  certificate,
  adopted: false,
  others: [],
};
export const good = now("2026-02-01") + row();

/**
 * A host on which certbot answers.
 * @param after what the host says once certbot or the hook ran
 * @param refusal what certbot says of another e-mail address, which the authority does not take
 */
export function hostWith(before: string, after = good, refusal?: string) {
  let said = before;
  const change = () => {
    said = after;
    return "";
  };
  return new FakeHost({
    answers: {
      [lineages.script]: () => said,
      "/certbot certonly/": change,
      "/certbot update_account/": { code: refusal === undefined ? 0 : 1, stdout: refusal ?? "" },
      "/^RENEWED_LINEAGE=/": change,
      "/daemon-reload/": change,
      "/tar -C/": "",
    },
  });
}
