import type { HostSettings } from "../../config/settings";
import { until as poll } from "../../lab/command";
import { openHost, type SshHost } from "../../providers/ssh/host";
import { hostSettings } from "./host";
import type { LabHost } from "./lab";

/** What each script of a test of connections is for, as errors say it. */
export const doing = "trying";

const opened: SshHost[] = [];

/** Each test chooses its own way, whatever the suite's is. */
export const settings = (host: LabHost, more: Partial<HostSettings> = {}) =>
  hostSettings(host, { user: "root", sudo: false, jump: undefined, connectTimeout: 10, ...more });

/** A connection, closed when the test file is done. */
export async function open(host: LabHost, more: Partial<HostSettings> = {}): Promise<SshHost> {
  const made = await openHost(settings(host, more), host.name);
  opened.push(made);
  return made;
}

/** What the error says that a promise is rejected with. */
export const message = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: Error) => error.message,
  );

/** Waits for what nothing tells of. @throws Error when it does not come true within so many seconds */
export const until = (isDone: () => boolean | Promise<boolean>, seconds = 20) =>
  poll(
    async () => (await isDone()) || undefined,
    seconds,
    () => `not done within ${seconds} s`,
  );

afterAll(async () => {
  await Promise.all(opened.map((host) => host.close()));
});
