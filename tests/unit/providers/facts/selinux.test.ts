import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "../../../../config/root";
import {
  effectiveLabel,
  type PortLabels,
  portLabels,
  selinuxMode,
} from "../../../../providers/facts/selinux";

type Known = Extract<PortLabels, { known: true }>;
/** What real hosts print. */
const text = (version: string) =>
  readFileSync(path.join(root, `tests/fixtures/recorded/semanage-${version}.txt`), "utf8");

test.each(["3.4", "3.8"])("semanage %s", (version) => {
  const labels = portLabels.parse(text(version)) as Known;
  expect(labels.local).toEqual([
    { label: "http_port_t", port: "8440-8450/tcp" },
    { label: "jabber_client_port_t", port: "5347/tcp" },
    { label: "jabber_client_port_t", port: "5000/tcp" },
  ]);
  const label = (port: string) => effectiveLabel(labels, port);
  expect(label("5222/tcp")).toEqual({ label: "jabber_client_port_t", port: "5222/tcp" });
  // Listed under both labels; the one of this host is in force.
  expect(label("5000/tcp")).toEqual({ label: "jabber_client_port_t", port: "5000/tcp" });
  expect(label("5000/udp")).toEqual({ label: "commplex_main_port_t", port: "5000/udp" });
  // The policy itself has 8443 by name, this host a range.
  expect(label("8443/tcp")).toEqual({ label: "http_port_t", port: "8440-8450/tcp" });
  expect(label("15222/tcp")).toEqual({ label: "unreserved_port_t", port: "1024-65535/tcp" });
});

test("what is missing", () => {
  expect(portLabels.parse("missing semanage\n")).toEqual({ known: false, missing: "semanage", reason: "" });
  expect(portLabels.parse("missing policy\nValueError: not managed\n")).toEqual({
    known: false,
    missing: "policy",
    reason: "ValueError: not managed",
  });
});

test("the kernel's word", () => {
  expect(["1", "0", "", "1\n"].map((each) => selinuxMode.parse(each))).toEqual([
    "enforcing",
    "permissive",
    "disabled",
    "enforcing",
  ]);
});
