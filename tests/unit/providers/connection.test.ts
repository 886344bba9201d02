import type { ConnectionInputs } from "../../../providers/connection";
import { claimScript, connectionHandler } from "../../../providers/handlers/connection";
import { note, ownerFor } from "../../../providers/ownership";
import { FakeHost } from "../../helpers/fake-host";

const { create, read, update, delete: remove } = connectionHandler;

const inputs: ConnectionInputs = {
  server: "prosody",
  reachable: true,
  address: "192.0.2.1",
  stack: "organization/prosody/prod",
  kept: true,
};
const ours = "organization/prosody/prod prosody\n";
const foreign = "organization/prosody/trial prosody\n";
const refusal =
  "the host is kept by the stack organization/prosody/trial, as its server prosody, and left alone by this one. " +
  "Correct prosody:host; after pulumi stack rename, run pulumi up without --target first; or, to have this stack keep it from now on, remove /etc/prosody-pulumi.stack on the host";

/** @param content of the note on it */
const hostWith = (content?: string) => {
  const host = new FakeHost({
    answers: { ":": "", "/firewall/": "", "/./": "" },
    files: content === undefined ? {} : { [note]: { content } },
  });
  const file = { mode: "0644", owner: "root", group: "root" };
  host.answers.set(claimScript, (input) => {
    if (!host.files.has(note)) host.files.set(note, { content: input, ...file });
    return host.files.get(note)!.content;
  });
  return host;
};
const noted = (host: FakeHost) => host.files.get(note)?.content;

test("a host is noted as the stack's, by a file that all may read", async () => {
  const host = hostWith();
  expect(await create(host, inputs)).toEqual(inputs);
  expect(host.files.get(note)).toEqual({ content: ours, mode: "0644", owner: "root", group: "root" });
  expect(await read(host, inputs)).toEqual(inputs);
});

test("one that is the stack's already, as after the loss of a state, is taken as it is", async () => {
  const host = hostWith(ours);
  expect(await create(host, inputs)).toEqual(inputs);
  expect(host.changes).toEqual([]);
});

test.each([foreign, "organization/prosody/prod berlin\n"])(
  "one of another stack or server is refused: %j",
  async (content) => {
    const host = hostWith(content);
    const [stack, server] = content.trim().split(" ");
    const why = `the host is kept by the stack ${stack}, as its server ${server}, `;
    await expect(create(host, inputs)).rejects.toThrow(why);
    await expect(read(host, inputs)).rejects.toThrow(why); // and with it each preview, up and destroy
    await expect(update(host, inputs, { ...inputs, address: "192.0.2.2" })).rejects.toThrow(why);
    await remove(host, inputs);
    expect([noted(host), host.changes]).toEqual([content, []]);
  },
);

test("the refusal says what to do", async () => {
  await expect(create(hostWith(foreign), inputs)).rejects.toThrow(refusal);
});

test("a host without a note shows, and gets it", async () => {
  const host = hostWith();
  const found = (await read(host, inputs))!;
  expect(found).toEqual({ ...inputs, kept: false });
  expect(await update(host, found, inputs)).toEqual(inputs);
  expect(noted(host)).toBe(ours);
});

test("a state from before there were notes gets one, unless the host is another stack's", async () => {
  const old = { server: "prosody", reachable: true };
  const host = hostWith();
  const found = (await read(host, old))!;
  expect(found).toEqual({ ...old, kept: false });
  expect(await update(host, found, inputs)).toEqual(inputs);
  expect(noted(host)).toBe(ours);
  // Whose it is then, the state does not tell.
  await expect(read(hostWith(foreign), old)).rejects.toThrow(refusal); // its destroy, too
  await expect(update(hostWith(foreign), old, inputs)).rejects.toThrow(refusal);
});

test("another address of the same machine is nothing but that; another machine has to be read first", async () => {
  const moved = { ...inputs, address: "192.0.2.2" };
  const same = hostWith(ours);
  expect(await update(same, inputs, moved)).toEqual(moved);
  expect(same.changes).toEqual([]);

  const other = hostWith();
  await expect(update(other, inputs, moved)).rejects.toThrow(
    "prosody:host leads to another machine than before, and what was read is on the old one. Run pulumi up --run-program",
  );
  expect(noted(other)).toBeUndefined();
  expect(await update(other, (await read(other, inputs))!, moved)).toEqual(moved);
  expect(noted(other)).toBe(ours);
});

test("the note follows a stack that is renamed, and goes with it", async () => {
  const host = hostWith(ours);
  const renamed = { ...inputs, stack: "organization/prosody/main" };
  expect(await update(host, inputs, renamed)).toEqual(renamed);
  expect(noted(host)).toBe("organization/prosody/main prosody\n");
  await remove(host, renamed);
  expect(noted(host)).toBeUndefined();
  await remove(host, renamed);
});

test("of two servers that lead to one host by different names, one gets it, and the other is told", async () => {
  const host = hostWith();
  const [first, second] = await Promise.allSettled([
    create(host, inputs),
    create(host, { ...inputs, server: "berlin", address: "xmpp.example.test" }),
  ]);
  expect(first).toEqual({ status: "fulfilled", value: inputs });
  expect((second as PromiseRejectedResult).reason.message).toContain("prosody/prod, as its server prosody, ");
  expect(noted(host)).toBe(ours);
});

describe("where no connection was read or changed first", () => {
  test("a host of another stack or server is refused, and asked once", async () => {
    const host = hostWith("organization/prosody/trial berlin\n");
    const asking = Array.from({ length: 20 }, () => ownerFor(host, "berlin", "prosody/prod"));
    for (const { status } of await Promise.allSettled(asking)) expect(status).toBe("rejected");
    await expect(asking[0]).rejects.toThrow(
      "kept by the stack organization/prosody/trial, as its server berlin",
    );
    expect(host.scripts).toHaveLength(2); // that it can be worked on, and the note

    const other = hostWith("organization/prosody/trial berlin\n");
    await expect(ownerFor(other, "paris", "prosody/trial")).rejects.toThrow("as its server berlin");
  });

  test("the stack's own is told from one without a note", async () => {
    expect(await ownerFor(hostWith("acme/prosody/trial oslo\n"), "oslo", "prosody/trial")).toBe("ours");
    expect(await ownerFor(hostWith(), "rome", "prosody/trial")).toBe("nobody's");
  });

  test("a host that gave no answer is asked again", async () => {
    const host = hostWith(ours);
    host.answers.set(":", new Error("no answer"));
    await expect(ownerFor(host, "prosody", "prosody/prod")).rejects.toThrow("no answer");
    host.answers.set(":", "");
    expect(await ownerFor(host, "prosody", "prosody/prod")).toBe("ours");
  });

  test("a connection that is read meanwhile says so of a stack that is renamed", async () => {
    const host = hostWith(ours);
    const [early, whose] = await Promise.allSettled([
      ownerFor(host, "prosody", "prosody/renamed"),
      read(host, inputs),
      ownerFor(host, "prosody", "prosody/renamed"),
    ]);
    expect(early).toEqual({ status: "fulfilled", value: "ours" });
    expect(whose).toMatchObject({ status: "fulfilled", value: { kept: true } });
  });

  test("what was read or noted holds, for a stack that is renamed, too", async () => {
    const host = hostWith(ours);
    await read(host, inputs);
    const { length } = host.scripts;
    expect(await ownerFor(host, "prosody", "prosody/renamed")).toBe("ours");
    const fresh = hostWith();
    await create(fresh, inputs);
    expect(await ownerFor(fresh, "prosody", "prosody/prod")).toBe("ours");
    expect([host.scripts.length, fresh.scripts.length]).toEqual([length, 3]);
  });
});
