import { Duplex, PassThrough, Readable, Writable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { collect } from "../../../../providers/ssh/exec";

/** A channel whose other end is this test. */
function channel() {
  const made = Object.assign(new PassThrough(), { stderr: new PassThrough(), close: jest.fn() });
  const input: Buffer[] = [];
  const end = (data: Buffer) => input.push(data);
  return { made, input, client: Object.assign(made, { end }) as unknown as ClientChannel };
}

test("output that is cut between the bytes of a character arrives whole", async () => {
  const { made, client, input } = channel();
  const outcome = collect(client, Buffer.from("data"));
  const bytes = Buffer.from("☃");
  made.emit("data", bytes.subarray(0, 1));
  made.emit("data", bytes.subarray(1));
  made.stderr.emit("data", Buffer.from("warning"));
  made.emit("exit", 0);
  made.emit("close");
  expect(await outcome).toEqual({ code: 0, stdout: "☃", stderr: "warning", tooMuch: false });
  expect(Buffer.concat(input).toString()).toBe("data");
});

test("what it tells of its progress goes on at once, and is no part of what it says", async () => {
  const { made, client } = channel();
  const notes: string[] = [];
  const outcome = collect(client, Buffer.alloc(0), { note: (detail) => notes.push(detail) });
  made.stderr.emit("data", Buffer.from("warning\nprogress: 1 of 3\nprogress: 2 of 3\n"));
  expect(notes).toEqual(["2 of 3"]);
  made.stderr.emit("data", Buffer.from("progress: 3 of 3\nno progress: none\n"));
  made.emit("exit", 0);
  made.emit("close");
  expect((await outcome).stderr).toBe("warning\nno progress: none\n");
  expect(notes).toEqual(["2 of 3", "3 of 3"]);
});

test("no more than the limit is kept, of output and errors together", async () => {
  const { made, client } = channel();
  const outcome = collect(client, Buffer.alloc(0), { limit: 10 });
  made.emit("data", Buffer.from("12345"));
  made.stderr.emit("data", Buffer.from("67890"));
  made.emit("data", Buffer.from("x"));
  made.emit("data", Buffer.from("y"));
  expect(await outcome).toEqual({ code: undefined, stdout: "12345", stderr: "67890", tooMuch: true });
});

test("what comes after the limit is not even put together", async () => {
  const { made, client } = channel();
  const concat = jest.spyOn(Buffer, "concat");
  const outcome = collect(client, Buffer.alloc(0), { limit: 10 });
  for (let count = 0; count < 100; count++) made.emit("data", Buffer.from("12345"));
  made.emit("close");
  await outcome;
  expect(concat).toHaveBeenCalledTimes(2); // stdout, stderr
  concat.mockRestore();
});

test("without exit code and signal the connection was lost", async () => {
  const { made, client } = channel();
  const outcome = collect(client, Buffer.alloc(0));
  made.emit("close");
  expect(await outcome).toEqual({
    code: undefined,
    signal: undefined,
    stdout: "",
    stderr: "",
    tooMuch: false,
  });
});

describe("streams", () => {
  test("the input follows what goes before it, and the output is written before the command counts as ended", async () => {
    const { made, client } = pair();
    const written: Buffer[] = [];
    const output = new Writable({
      write: (chunk, _encoding, done) => {
        written.push(chunk);
        setTimeout(done, 20);
      },
    });
    const outcome = collect(client, Buffer.from("first,"), {
      streams: { input: Readable.from([Buffer.from("then")]), output },
    });
    made.toHost.resume();
    const received: Buffer[] = [];
    made.toHost.on("data", (data: Buffer) => received.push(data));
    await new Promise((resolve) => made.toHost.on("end", resolve));
    made.fromHost.end(Buffer.from("result"));
    client.emit("exit", 0);
    client.once("end", () => client.emit("close")); // as ssh2 does
    expect(await outcome).toMatchObject({ code: 0, stdout: "", broken: undefined });
    expect(Buffer.concat(received).toString()).toBe("first,then");
    expect(Buffer.concat(written).toString()).toBe("result");
    expect(output.writableEnded).toBe(false);
  });

  test("an input that ends early is no end of the input", async () => {
    const { made, client } = pair();
    const input = new Readable({ read() {} });
    const outcome = collect(client, Buffer.alloc(0), { streams: { input } });
    made.toHost.resume();
    input.destroy(new Error("invalid tag"));
    expect(await outcome).toMatchObject({ code: undefined, broken: "invalid tag" });
    expect(made.toHost.writableEnded).toBe(false);
  });

  test("an output that can't be written ends the command", async () => {
    const { made, client } = pair();
    const output = new Writable({ write: (_chunk, _encoding, done) => done(new Error("no space left")) });
    const outcome = collect(client, Buffer.alloc(0), { streams: { output } });
    made.fromHost.write("data");
    expect(await outcome).toMatchObject({ code: undefined, broken: "no space left" });
    expect(client.destroyed).toBe(true);
  });
});

/** A channel with both directions. */
function pair() {
  const [toHost, fromHost] = [new PassThrough(), new PassThrough()];
  const client = Duplex.from({ readable: fromHost, writable: toHost });
  const stderr = new PassThrough();
  return {
    made: { toHost, fromHost },
    client: Object.assign(client, { stderr }) as unknown as ClientChannel,
  };
}
