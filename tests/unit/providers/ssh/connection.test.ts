import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Client } from "ssh2";
import { Connection, NotStarted } from "../../../../providers/ssh/connection";

/** A connection over a client and a socket that only count. */
function connection() {
  const client = Object.assign(new EventEmitter(), {
    unforwardIn: jest.fn(),
    exec: jest.fn(),
    destroy: jest.fn(),
    end: jest.fn(),
  });
  const socket = { ref: jest.fn(), unref: jest.fn(), destroy: jest.fn() };
  const made = new Connection(client as unknown as Client, socket as unknown as Socket);
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

test("one that answers is kept, even if the answer is no", () => {
  const { made, client } = connection();
  client.unforwardIn.mockImplementation((_address, _port, answered) =>
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

test("a session that is not opened in time ends the connection", async () => {
  const { made, socket } = connection();
  const started = made.start("true", Buffer.alloc(0), 10).catch((error: Error) => error);
  jest.advanceTimersByTime(10_000);
  expect(await started).toEqual(new Error("it opened no session within 10 s"));
  expect(socket.destroy).toHaveBeenCalledTimes(1);
});
