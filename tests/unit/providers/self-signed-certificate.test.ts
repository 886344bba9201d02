import { clock } from "../../../providers/facts/clock";
import { selfSignedCertificateHandler } from "../../../providers/handlers/self-signed-certificate";
import { pendingMark } from "../../../providers/load-certificates";
import { luaScript } from "../../../providers/lua";
import { FakeHost } from "../../helpers/fake-host";
import { certified } from "../../helpers/x509";

const domain = "example.com";
const inputs = { server: "xmpp", domain, names: [domain], flaw: "" };
const leaf = certified({ subject: domain, names: [domain], to: "2049-01-01" });
const mine = { mode: "0640", owner: "root", group: "prosody" };
const pair = {
  [`/etc/prosody/certs/${domain}.crt`]: { content: leaf.certificate, ...mine },
  [`/etc/prosody/certs/${domain}.key`]: { content: leaf.key, ...mine },
};
const mark = { [pendingMark]: { content: "" } };
const at = (date: string) => ({ [clock.script]: `${Date.parse(date) / 1000}\n` });
const today = at("2026-06-01");
const making = "/^umask 077\ncd .etc.prosody.certs/";

test("another certificate that is made at the same time leaves no flaw on this one", async () => {
  const host = new FakeHost({ answers: { ...today, [luaScript]: '[true,"Config reloaded"]\n' } });
  const { files } = new FakeHost({ files: { ...pair, ...mark } });
  const put = () => {
    for (const [path, file] of files) host.files.set(path, file);
  };
  host.answers.set(making, () => {
    put();
    return "";
  });
  const removeMark = host.files.delete.bind(host.files);
  jest.spyOn(host.files, "delete").mockImplementation((path) => {
    const was = removeMark(path);
    put(); // the other's mark
    return was;
  });
  expect(await selfSignedCertificateHandler.create(host, inputs)).toMatchObject(inputs);
});

test("a good one that is not loaded is loaded and not made anew, its mode put right or not", async () => {
  const answers = { ...today, [luaScript]: '[true,"Config reloaded"]\n' };
  const host = new FakeHost({ answers, files: { ...pair, ...mark } });
  const made = await selfSignedCertificateHandler.create(host, inputs);
  expect(made).toMatchObject(inputs);
  expect(host.files.has(pendingMark)).toBe(false);

  const open = { ...pair, [`/etc/prosody/certs/${domain}.key`]: { content: leaf.key } };
  const other = new FakeHost({ answers, files: { ...open, ...mark } });
  other.answers.set("/^chown root:prosody/", () => {
    for (const [path, file] of host.files) other.files.set(path, file);
    return "";
  });
  expect(await selfSignedCertificateHandler.update(other, made, inputs)).toEqual(made);
  expect(other.files.has(pendingMark)).toBe(false);
});

test.each([
  ["2024-06-01", "it is not valid before Jan  1 00:00:00 2025 GMT"],
  ["2025-06-01", ""],
  ["2048-12-10", "it expires in 22 days"],
])("on a host where it is %s, this is wrong: %j", async (date, flaw) => {
  const host = new FakeHost({ answers: at(date), files: pair });
  const state = { ...inputs, expires: "", certificate: "" };
  expect(await selfSignedCertificateHandler.read(host, state)).toMatchObject({ flaw });
});
