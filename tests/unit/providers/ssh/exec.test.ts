import { PassThrough } from "node:stream";
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

test("no more than the limit is kept, of output and errors together", async () => {
  const { made, client } = channel();
  const outcome = collect(client, Buffer.alloc(0), 10);
  made.emit("data", Buffer.from("12345"));
  made.stderr.emit("data", Buffer.from("67890"));
  made.emit("data", Buffer.from("x"));
  made.emit("data", Buffer.from("y"));
  expect(await outcome).toEqual({ code: undefined, stdout: "12345", stderr: "67890", tooMuch: true });
});

test("what comes after the limit is not even put together", async () => {
  const { made, client } = channel();
  const concat = jest.spyOn(Buffer, "concat");
  const outcome = collect(client, Buffer.alloc(0), 10);
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
