import { isDeepStrictEqual } from "node:util";
import { setFlagsFromString } from "node:v8";
import type { dynamic } from "@pulumi/pulumi";
import { row, stackOfResource } from "./engine-row";
import { type Common, type Handler, unequal } from "./handler";
import { handlers } from "./handlers";
import type { Host } from "./host";
import { isForeign, ownerFor } from "./ownership";
import { printOnce } from "./print-once";
import { reporting } from "./progress";
import { printable } from "./ssh/errors";
import { isUnreachable } from "./ssh/link";
import { hosts } from "./ssh/pool";
import { warnOnce } from "./warn";

/**
 * Between two full collections the heap may grow by half of what is in use; by default V8 lets it grow to four times
 * that, because the process is new. At 5,000 JIDs this is 50 MB less and costs no time that can be measured.
 */
setFlagsFromString("--heap-growing-percent=50");

/** The engine's placeholder for a value that is not known before another resource is made. */
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The engine has an object of the program checked before anything is deleted; in a destroy there is no program. */
let hasProgram = false;

type AnyHandler = Handler<Common, Common, unknown>;

/**
 * What the engine calls for every resource of a kind, in the provider process: wraps the kind's handler so that
 * handlers see plain objects and throw plain errors.
 * @throws Error when there is no such kind.
 */
export function provider(kind: string): dynamic.ResourceProvider {
  const handler = handlers[kind] as AnyHandler | undefined;
  if (!handler)
    throw new Error(
      `There is no resource kind ${kind}; known: ${Object.keys(handlers).join(", ")}. Was the stack made by a newer version of this program? Use that.`,
    );
  const replaceOn: readonly string[] = handler.replaceOn ?? [];
  /** A connection looks by itself whose the host is, and what lies elsewhere is on no host. */
  const looks = !handler.use && kind !== "Connection";
  const ownerOf = async (target: unknown, { server }: Common) => {
    const stack = looks ? stackOfResource() : undefined;
    return stack === undefined ? "ours" : ownerFor(target as Host, server, stack);
  };
  const refuseUnnoted = async (target: unknown, inputs: Common) => {
    if ((await ownerOf(target, inputs)) === "ours") return;
    throw new Error(
      "the host has no note that it is this stack's: it may be another machine, or about to be another stack's. If it is still to be this one's, run pulumi up first, without --target, --exclude and --refresh=false, which writes the note; if not, docs/operations.md (One host, one stack) says how to forget it",
    );
  };
  return {
    async configure({ config }) {
      hosts.configure(config); // before any await: the SDK may use the provider before this promise is done
    },
    async check(olds: Common | undefined, news: Common) {
      hasProgram = true;
      const inputs = plain(
        handler.complete ? handler.complete(clean(news), olds && clean(olds)) : clean(news),
      );
      const failures = isKnown(inputs) ? handler.check?.(inputs) : undefined;
      return { inputs, failures };
    },
    async diff(_id: string, olds: Common, news: Common) {
      if (!isKnown(news)) return { changes: true };
      const found = await differing(handler, clean(olds), clean(news)).catch((error: unknown) => {
        const failure = failureOf("compare", kind, handler, news, error);
        if (!hosts.several) throw failure;
        // It would end the run for the other servers, too; the update fails with the same.
        warnOnce(`${news.server}: ${failure.message}`);
        return handler.inputs.filter((name) => !replaceOn.includes(name));
      });
      // An object on another host is another object, whatever the handler compares.
      const changed = [...new Set([...(olds.server === news.server ? [] : ["server"]), ...found])];
      const replaces = changed.filter((name) => name === "server" || replaceOn.includes(name));
      return { changes: changed.length > 0, replaces };
    },
    create: (inputs: Common) =>
      guard(kind, handler, inputs, "create", async (target) => {
        await refuseUnnoted(target, inputs);
        const outs = await handler.create(target, clean(inputs));
        return { id: handler.id(inputs), outs: plain(outs) };
      }),
    read: (id: string, state: Common) =>
      guard(kind, handler, state, "read", async (target) => {
        const read = async () => {
          const reading = handler.read(target, clean(state));
          if (!looks || !hosts.several) return reading;
          // Beside the look, which would take a round trip of its own; of a host that is another stack's, it counts for nothing.
          reading.catch(() => undefined);
          await ownerOf(target, state);
          return reading;
        };
        const found = await read().catch((error: Error) => {
          if (!hosts.several || !(isUnreachable(error) || isForeign(error))) throw error;
          const until = isForeign(error) ? "it is" : "it can be reached";
          warnOnce(
            `${state.server}: ${error.message.replace(/\.$/, "")}. Until ${until}, what it had last is taken for true.`,
          );
          return handler.lost?.(clean(state), error) ?? clean(state);
        });
        if (!found) return {};
        const props = plain(found);
        // Without inputs the engine keeps those it has, some of which (a password) no host can tell.
        if (isDeepStrictEqual(props, clean(state))) return { id, props };
        const inputs = Object.fromEntries(
          ["server", ...handler.inputs].map((name) => [name, found[name as keyof Common]]),
        );
        return { id, props, inputs: plain(inputs) };
      }),
    update: (_id: string, state: Common, inputs: Common) =>
      guard(kind, handler, inputs, "update", async (target) => {
        await refuseUnnoted(target, inputs);
        return { outs: plain(await handler.update(target, clean(state), clean(inputs))) };
      }),
    delete: (_id: string, state: Common) =>
      guard(kind, handler, state, "delete", async (target) => {
        await refuseUnnoted(target, state);
        return handler.delete(target, clean(state), !hasProgram);
      }),
  };
}

async function differing(handler: AnyHandler, state: Common, inputs: Common): Promise<string[]> {
  return handler.diff ? handler.diff(state, inputs) : unequal(handler.inputs, state, inputs);
}

/**
 * Runs one operation on the resource's host, or what else it lies on, within its time. Pulumi prints only plain
 * `Error`s, so whatever is thrown becomes one, with what was done to which object in front; the host is named by what
 * is thrown.
 */
async function guard<T>(
  kind: string,
  handler: AnyHandler,
  inputs: Common,
  operation: string,
  action: (target: unknown) => Promise<T>,
): Promise<T> {
  const seconds = handler.timeout ?? 120;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Error(
            `${inputs.server}: no answer after ${seconds} s. See what the host is busy with, then run it again.`,
          ),
        ),
      seconds * 1000,
    );
  });
  try {
    const use = () => (handler.use ? handler.use(inputs.server, action) : hosts.use(inputs.server, action));
    return await Promise.race([reporting(row(), use), late]);
  } catch (error) {
    throw failureOf(operation, kind, handler, inputs, error);
  } finally {
    clearTimeout(timer);
  }
}

function failureOf(
  operation: string,
  kind: string,
  handler: AnyHandler,
  inputs: Common,
  error: unknown,
): Error {
  const reason = error instanceof Error ? error.message : String(error);
  return printOnce(new Error(printable(`${operation} ${kind} ${handler.id(clean(inputs))}: ${reason}`)));
}

/** Without the engine's own property. */
function clean<T extends object>(properties: T): T {
  const { __provider: _, ...rest } = properties as T & { __provider?: string };
  return rest as T;
}

/** The engine's protocol has no `undefined`. */
function plain<T extends object>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

function isKnown(value: unknown): boolean {
  if (value === unknown) return false;
  return typeof value !== "object" || value === null || Object.values(value).every(isKnown);
}
