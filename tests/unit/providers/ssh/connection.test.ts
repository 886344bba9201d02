import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import type { Client } from "ssh2";
import { Connection, NotStarted } from "../../../../providers/ssh/connection";

/** A connection over a client and a socket that only count; probes are answered, or not. */
function connection(answers = false) {
  const client = Object.assign(new EventEmitter(), {
    unforwardIn: jest.fn((_address: string, _port: number, answered: () => void) => answers && answered()),
    exec: jest.fn(),
    destroy: jest.fn(),
    end: jest.fn(),
  });
  const socket = Object.assign(new EventEmitter(), {
    ref: jest.fn(),
    unref: jest.fn(),
    destroy: jest.fn(),
  });
  const made = new Connection(
    client as unknown as Client,
    socket as unknown as Socket,
    socket as unknown as Socket,
  );
  return { made, client, socket };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("only what is busy keeps the process, and has a timer", () => {
  const { made, socket } = connection();
  made.hold();
  made.hold();
  expect([socket.ref.mock.calls.length, socket.unref.mock.calls.length, jest.getTimerCount()]).toEqual([
    1, 0, 1,
  ]);
  made.release();
  expect([socket.unref.mock.calls.length, jest.getTimerCount()]).toEqual([0, 1]);
  made.release();
  expect([socket.unref.mock.calls.length, jest.getTimerCount()]).toEqual([1, 0]);
});

test("a busy connection that does not answer for 20 s is given up", () => {
  const { made, client, socket } = connection();
  const lost = jest.fn();
  made.onLost(lost);
  made.hold();
  jest.advanceTimersByTime(24_900);
  expect([client.unforwardIn.mock.calls.length, made.lost]).toEqual([4, undefined]);
  jest.advanceTimersByTime(100);
  expect([made.lost, lost.mock.calls.length, socket.destroy.mock.calls.length, jest.getTimerCount()]).toEqual(
    ["no answer for 20 s", 1, 1, 0],
  );
});

test("over a slow link, whatever comes is a sign of life", () => {
  const { made, socket } = connection();
  made.hold();
  for (let seconds = 0; seconds < 120; seconds += 12) {
    jest.advanceTimersByTime(12_000);
    socket.emit("data", Buffer.alloc(1));
  }
  expect(made.lost).toBeUndefined();
  jest.advanceTimersByTime(25_000);
  expect(made.lost).toBe("no answer for 20 s");
});

test("one that answers is kept, even if the answer is no", () => {
  const { made, client } = connection();
  client.unforwardIn.mockImplementation((_address, _port, answered: (error?: Error) => void) =>
    answered(new Error("Unable to unbind")),
  );
  made.hold();
  jest.advanceTimersByTime(600_000);
  expect(made.lost).toBeUndefined();
  expect(client.unforwardIn).toHaveBeenCalledTimes(120);
});

test("the first reason counts", () => {
  const { made, client } = connection();
  client.emit("error", new Error("read ECONNRESET"));
  client.emit("close");
  expect(made.lost).toBe("read ECONNRESET");
});

test.each([
  ["(SSH) Channel open failure: open failed", true],
  ["No response from server", true],
  ["Not connected", true],
  ["Unable to exec", false],
])("when ssh2 says %j, that the command has not started is %s", async (message, isNotStarted) => {
  const { made, client } = connection();
  client.exec.mockImplementation((_command, done) => done(new Error(message)));
  const error = await made.start("true", Buffer.alloc(0), 10).catch((error: Error) => error);
  expect(error).toBeInstanceOf(Error);
  expect(error instanceof NotStarted).toBe(isNotStarted);
  expect(jest.getTimerCount()).toBe(0);
});

test.each([true, false])(
  "a session that is not opened in time ends the connection; probes: %s",
  async (answers) => {
    const { made, socket } = connection(answers);
    const started = made.start("true", Buffer.alloc(0), 10).catch((error: Error) => error);
    jest.advanceTimersByTime(10_000);
    expect(await started).toEqual(new Error("it opened no session within 10 s"));
    expect(socket.destroy).toHaveBeenCalledTimes(1);
  },
);

test("the time for a session begins when the host has what was sent before", async () => {
  const { made, client, socket } = connection();
  let answered = () => {};
  client.unforwardIn.mockImplementationOnce((_address, _port, answer) => {
    answered = answer;
    return false;
  });
  const started = made.start("true", Buffer.alloc(0), 10).catch((error: Error) => error);
  for (let seconds = 0; seconds < 60; seconds += 6) {
    socket.emit("data", Buffer.alloc(1));
    jest.advanceTimersByTime(6000);
  }
  jest.advanceTimersByTime(3000);
  expect(made.lost).toBeUndefined();
  answered();
  socket.emit("data", Buffer.alloc(1));
  jest.advanceTimersByTime(9_900);
  expect(made.lost).toBeUndefined();
  jest.advanceTimersByTime(100);
  expect(await started).toEqual(new Error("it opened no session within 10 s"));
});

test("of a large input, as much goes at once as the link takes in a second", async () => {
  const { made, client } = connection();
  const channel = Object.assign(new PassThrough(), { stderr: new PassThrough(), close: jest.fn() });
  const write = jest.spyOn(channel, "write");
  client.exec.mockImplementation((_command, done) => done(undefined, channel));
  const { outcome } = await made.start("cat", Buffer.alloc(3_000_000), 10);
  let arrived = () => {};
  client.unforwardIn.mockImplementation((_address, _port, answered) => {
    arrived = answered;
    return false;
  });
  const pieces: number[] = [];
  for (const milliseconds of [500, 500, 500, 1500, 1500]) {
    await jest.advanceTimersByTimeAsync(milliseconds);
    pieces.push(write.mock.calls.length);
    write.mockClear();
    arrived();
  }
  expect(pieces).toEqual([1, 2, 4, 8, 4]);
  channel.emit("close");
  await outcome;
});
