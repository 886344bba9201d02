import { osRelease } from "../../../providers/facts/os-release";
import { packages } from "../../../providers/facts/packages";
import { portLabels, selinuxMode } from "../../../providers/facts/selinux";
import { packageHandler } from "../../../providers/handlers/package";
import { selinuxPortHandler } from "../../../providers/handlers/selinux-port";
import type { SelinuxPortInputs, SelinuxPortState } from "../../../providers/selinux-port";
import { FakeHost } from "../../helpers/fake-host";

const policy = [
  "jabber_client_port_t tcp 5222, 5223",
  "jabber_interserver_port_t tcp 5269",
  "commplex_main_port_t tcp 5000",
  "unreserved_port_t tcp 1024-65535",
];
const fedora = [...policy, "prosody_port_t tcp 5280-5281", "jabber_router_port_t tcp 5347"];

/** A host with a policy store that changes as semanage is told; `local` is `port → label`. */
class Labelled extends FakeHost {
  private readonly shipped: string[];

  constructor(
    readonly local: Record<string, string> = {},
    { mode = "1", os = "debian", shipped = policy }: { mode?: string; os?: string; shipped?: string[] } = {},
  ) {
    super({ answers: { [selinuxMode.script]: mode, [osRelease.script]: `ID=${os}\n` } });
    this.shipped = shipped;
    this.answers.set(portLabels.script, () => this.#print());
    this.answers.set("/semanage_commit/", (_input, script) => {
      for (const [port, , , label] of changesIn(script)) {
        if (label === null) delete this.local[port];
        else this.local[port] = label;
      }
      return this.#print();
    });
  }

  #print() {
    const own = Object.entries(this.local).map(([port, label]) => `${label} tcp ${port}`);
    return `== all\n${[...own, ...this.shipped].join("\n")}\n== local\n${own.join("\n")}\n`;
  }

  /** What libsemanage was given, one list for each transaction. */
  get transactions(): Change[][] {
    return this.changes.map(changesIn);
  }
}

/** First and last port, protocol, and the label, or `null` for the policy's own. */
type Change = [number, number, string, string | null];
const changesIn = (script: string): Change[] => JSON.parse(/'(\[\[.*\]\])'$/.exec(script)![1]!);
const change = (port: number, label: string | null = "jabber_client_port_t"): Change => [
  port,
  port,
  "tcp",
  label,
];

const wanted = (port: number, required = false): SelinuxPortInputs => ({
  server: "xmpp",
  port: `${port}/tcp`,
  required,
  allowed: true,
});
const create = (host: FakeHost, ...ports: number[]) =>
  Promise.all(ports.map((port) => selinuxPortHandler.create(host, wanted(port))));
const given = { label: "jabber_client_port_t" };

describe("create", () => {
  test("labels in one transaction what the policy does not let Prosody bind", async () => {
    const host = new Labelled();
    const states = await create(host, 5222, 5269, 5000, 5281, 5347);
    expect(host.transactions).toEqual([[change(5000), change(5281), change(5347)]]);
    expect(host.scripts.filter((script) => script === portLabels.script)).toHaveLength(1);
    expect(states[0]).toEqual({
      ...wanted(5222),
      mode: "enforcing",
      label: "jabber_client_port_t",
      given: false, // not missing: the preview of an up without a change would not know it
    });
    expect(states[4]).toEqual({ ...wanted(5347), mode: "enforcing", label: "jabber_client_port_t", given });
  });

  test("on Fedora the policy itself knows Prosody's usual ports", async () => {
    const host = new Labelled({}, { os: "fedora", shipped: fedora });
    const states = await create(host, 5222, 5000, 5281, 5347, 8443);
    expect(host.transactions).toEqual([[change(8443)]]);
    expect(states.map(({ label }) => label)).toEqual([
      "jabber_client_port_t",
      "commplex_main_port_t",
      "prosody_port_t",
      "jabber_router_port_t",
      "jabber_client_port_t",
    ]);
  });

  test("a label of somebody else is replaced and remembered; one that does is adopted", async () => {
    const host = new Labelled({ 5347: "http_port_t", 8443: "jabber_interserver_port_t" });
    const [first, second] = await create(host, 5347, 8443);
    expect(host.transactions).toEqual([[change(5347)]]);
    expect(first!.given).toEqual({ ...given, before: "http_port_t" });
    expect(second).toEqual({
      ...wanted(8443),
      mode: "enforcing",
      label: "jabber_interserver_port_t",
      given: false,
    });
  });

  test("a range that somebody labelled is not torn", async () => {
    const host = new Labelled({ "8440-8450": "http_port_t" });
    await expect(create(host, 8443)).rejects.toThrow(
      "the label http_port_t was given to 8440-8450/tcp on this host, 8443/tcp included, and Prosody may not bind it. " +
        "Take it back (`semanage port -d -p tcp 8440-8450`) or choose another port.",
    );
    expect(host.transactions).toEqual([]);
  });

  test("without SELinux in the kernel there is nothing to do, unless it is required", async () => {
    const host = new Labelled({}, { mode: "" });
    expect(await create(host, 5347)).toEqual([
      { server: "xmpp", port: "5347/tcp", required: false, mode: "disabled", given: false },
    ]);
    expect(host.scripts).toEqual([selinuxMode.script]);
    expect(await selinuxPortHandler.create(host, wanted(5347, true))).toEqual({
      ...wanted(5347, true),
      mode: "disabled",
      label: "jabber_client_port_t",
      given,
    });
  });

  test.each([
    ["missing semanage\n", /^the host has no semanage\. Install policycoreutils-python-utils, then/],
    [
      "missing policy\nTraceback\nValueError: SELinux policy is not managed or store cannot be accessed.\n",
      /^the host has no SELinux policy that semanage can change \(ValueError: SELinux policy is not managed/,
    ],
  ])("an error tells what to install: %j", async (printed, message) => {
    const host = new Labelled();
    host.answers.set(portLabels.script, printed);
    await expect(create(host, 5347)).rejects.toThrow(message);
  });

  test("a refusal of libsemanage is told in its own words, without what it says of other things", async () => {
    const host = new Labelled();
    const stderr = `libsemanage.add_user: user sddm not in password file
libsemanage.semanage_port_validate_local: port overlap between ranges 5000 - 5400 (tcp) <--> 5347 - 5347 (tcp).
Traceback (most recent call last):
FileNotFoundError: [Errno 2] No such file or directory
`;
    host.answers.set("/semanage_commit/", { code: 1, stderr });
    await expect(create(host, 5347)).rejects.toThrow(
      "semanage refused 5347/tcp as jabber_client_port_t:\n" +
        "  libsemanage.semanage_port_validate_local: port overlap between ranges 5000 - 5400 (tcp) <--> 5347 - 5347 (tcp).\n" +
        "Fix: See `semanage port -l -C` on the host",
    );
  });

  test("a label that did not come about is an error", async () => {
    const host = new Labelled();
    host.answers.set("/semanage_commit/", "== all\nunreserved_port_t tcp 1024-65535\n== local\n");
    await expect(create(host, 5347)).rejects.toThrow(
      "semanage reported success, but 5347/tcp has the label unreserved_port_t.",
    );
  });
});

describe("read, update, delete", () => {
  const state = {
    ...wanted(5347),
    mode: "enforcing",
    label: "jabber_client_port_t",
    given,
  } as SelinuxPortState;

  test("drift, and its repair", async () => {
    const host = new Labelled({ 5347: "http_port_t" });
    const found = (await selinuxPortHandler.read(host, state))!;
    expect(found).toEqual({ ...state, allowed: false, label: "http_port_t" });
    expect(selinuxPortHandler.diff!(found, wanted(5347))).toEqual(["allowed"]);
    expect(await selinuxPortHandler.update(host, found, wanted(5347))).toEqual(state);
    expect(host.local).toEqual({ 5347: "jabber_client_port_t" });
    expect(await selinuxPortHandler.read(host, state)).toEqual(state);
  });

  test("SELinux switched on later is drift", async () => {
    const off = { server: "xmpp", port: "5347/tcp", required: false, mode: "disabled" } as SelinuxPortState; // an older state
    expect(selinuxPortHandler.diff!(off, wanted(5347))).toEqual([]);
    const found = (await selinuxPortHandler.read(new Labelled({}, { mode: "0" }), off))!;
    expect(found).toMatchObject({ mode: "permissive", allowed: false, given: false });
    expect(selinuxPortHandler.diff!(found, wanted(5347))).toEqual(["allowed"]);
  });

  test("many ports are one command of each kind", async () => {
    const host = new Labelled();
    await Promise.all(
      [5222, 5269, 5347].map((port) => selinuxPortHandler.read(host, { ...state, port: `${port}/tcp` })),
    );
    expect(host.scripts.sort()).toEqual([selinuxMode.script, osRelease.script, portLabels.script].sort());
  });

  test("without semanage the label stays as it was known; without a policy it is gone", async () => {
    const host = new Labelled();
    host.answers.set(portLabels.script, "missing semanage\n");
    expect(await selinuxPortHandler.read(host, state)).toEqual(state);
    const bare = new Labelled();
    bare.answers.set(portLabels.script, "missing policy\nx\n");
    expect(await selinuxPortHandler.read(bare, state)).toEqual({ ...state, allowed: false });
  });

  test("the labels go back, in one transaction, to the policy or to what somebody had given", async () => {
    const host = new Labelled({
      5347: "jabber_client_port_t",
      5281: "jabber_client_port_t",
      9999: "http_port_t",
    });
    const other = { ...state, port: "5281/tcp", given: { ...given, before: "http_port_t" } };
    await Promise.all([state, other].map((each) => selinuxPortHandler.delete(host, each)));
    expect(host.transactions).toEqual([[change(5347, null), change(5281, "http_port_t")]]);
    expect(host.local).toEqual({ 5281: "http_port_t", 9999: "http_port_t" });
    await selinuxPortHandler.delete(host, state);
    await selinuxPortHandler.delete(host, { ...state, given: false });
    expect(host.transactions).toHaveLength(1);
  });

  test("what somebody changed since is theirs", async () => {
    const host = new Labelled({ 5347: "http_port_t" });
    await selinuxPortHandler.delete(host, state);
    expect(host.transactions).toEqual([]);
  });
});

describe("a package that only SELinux needs", () => {
  const semanage = { server: "xmpp", package: "semanage", when: "selinux", installed: true } as const;
  const family = "debian";
  const list = packages(family).script;
  const host = (mode: string, installed = "") =>
    new FakeHost({
      answers: { [selinuxMode.script]: mode, [osRelease.script]: "ID=debian\n", [list]: installed },
    });

  test("is left alone where SELinux is off, and its absence is no drift", async () => {
    const state = await packageHandler.create(host(""), semanage);
    expect(state).toEqual({
      ...semanage,
      needed: false,
      installed: false,
      version: "",
      family,
      adopted: true,
      brought: [],
    });
    expect(packageHandler.diff!(state, semanage)).toEqual([]);
    expect(await packageHandler.read(host(""), state)).toEqual(state);
    const later = host("1");
    const found = (await packageHandler.read(later, state))!;
    expect(found).toMatchObject({ needed: true, installed: false });
    expect(packageHandler.diff!(found, semanage)).toEqual(["installed"]);
  });

  test("one that somebody installed is never removed", async () => {
    const there = host("", "installed semanage 3.8\n");
    const state = await packageHandler.create(there, semanage);
    expect(state).toMatchObject({ installed: true, version: "3.8", adopted: true });
    await packageHandler.delete(there, state);
    expect(there.changes).toEqual([]);
  });

  test("installed when SELinux was switched on, it is the stack's", async () => {
    const later = host("1");
    later.answers.set("/apt-get/", () => {
      later.answers.set(list, "installed semanage 3.8\n");
      return "";
    });
    const unneeded = { needed: false, installed: false, version: "", family, adopted: true } as const;
    const off = { ...semanage, ...unneeded, brought: [] };
    expect(await packageHandler.update(later, off, semanage)).toEqual({
      ...semanage,
      needed: true,
      version: "3.8",
      family,
      adopted: false,
      brought: [],
    });
  });
});
