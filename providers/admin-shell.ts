import assert from "node:assert/strict";
import type { Host } from "./host";
import { adminSockets, lengthPrefixed, luaInput, luaScript, notInstalled, parseBytes } from "./lua";

/** Prosody's answer to one command. */
export interface Reply {
  /** False when the command failed, or was not run because the connection broke at an earlier one. */
  ok: boolean;
  /** What the command printed, then its result, without Prosody's "OK:", "Result:" or "Error:". */
  text: string;
}

interface AdminShellOptions {
  /** What is being tried, for errors: "reloading Prosody's configuration". */
  doing: string;
  /** Seconds that one command may take; default 30. */
  timeout?: number;
  /** Seconds to wait for a server that does not listen; default 0. */
  patience?: number;
  /** The commands change the host: facts read before them are out of date. */
  changes?: boolean;
  /** Name of a program that adds a command of its own to those of the shell, see `client-streams.lua`. */
  program?: string;
}

/** The {@link AdminShellOptions.patience} that outlasts a backup, which stops the server for a moment. */
export const backupPause = 10;

/** Prosody 13 closes the connection at a stanza of 10,000 bytes (0.12: 1 MiB). */
const longest = 9_900;

const unreachable = 69;
const unavailable = "admin shell unavailable";

/**
 * Runs commands of Prosody's admin shell (https://prosody.im/doc/console) over its admin socket: in this order,
 * in one connection, and in one round trip to the host. A command that starts with ">" is Lua that runs in the
 * server; what it assigns to globals lasts until the last command of this call.
 *
 * The commands travel on standard input and nothing logs them, so they may hold secrets. A failed command does
 * not keep the next one from running; a lost connection fails all that are left.
 * @throws Error for which {@link isUnavailable} holds when nothing listens on the socket: the service is stopped,
 *   or `admin_shell` is not among its modules, or Prosody is not installed.
 * @throws Error before anything is sent when a command is longer than Prosody takes.
 */
export async function adminShell(
  host: Host,
  commands: readonly string[],
  options: AdminShellOptions,
): Promise<Reply[]> {
  if (commands.length === 0) return [];
  commands.forEach(refuseUnsendable);
  const { timeout: seconds = 30, patience = 0 } = options;
  const { code, stdout, stderr } = await host.run(luaScript, {
    doing: options.doing,
    input: luaInput(
      ["wire", "admin-socket", ...(options.program ? [options.program] : []), "admin-shell"],
      Buffer.concat([adminSockets, seconds, patience, ...commands].map(lengthPrefixed)),
    ),
    timeout: 30 + patience + seconds * Math.min(commands.length, 10),
    accept: [0, unreachable, notInstalled],
    changes: options.changes,
  });
  if (code !== 0)
    throw new Error(
      `${options.doing} on ${host.name}: Prosody's admin socket does not answer (${stderr.trim()}). ` +
        "Is the service running, and is admin_shell among modules_enabled?",
      { cause: unavailable },
    );
  const replies = stdout.trimEnd().split("\n").map(parseReply);
  if (replies.length !== commands.length)
    throw new Error(
      `${options.doing} on ${host.name}: Prosody answered ${replies.length} of ${commands.length} commands. See journalctl -u prosody on the host, then run this again.`,
    );
  return replies;
}

/**
 * Runs Lua in the running server and returns its value as text ("nil" for none).
 * @throws Error when the code fails, and as {@link adminShell}.
 */
export async function lua(host: Host, code: string, options: AdminShellOptions): Promise<string> {
  const [reply] = await adminShell(host, [`> ${code}`], options);
  if (!reply?.ok) throw new Error(`${options.doing} on ${host.name}: Prosody answered: ${reply?.text}`);
  return reply.text;
}

/** The admin socket could not be reached, so nothing was run: a caller may take another way. */
export function isUnavailable(error: unknown): error is Error {
  return error instanceof Error && error.cause === unavailable;
}

function refuseUnsendable(command: string): void {
  const escaped = command.replace(/[&\r]/g, "&amp;").replace(/[<>]/g, "&lt;");
  const size = Buffer.byteLength(escaped);
  assert(
    size <= longest,
    `An admin command of ${size} bytes is too long; Prosody takes ${longest}. Split it.`,
  );
  assert(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no way to write these.
    !/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(command),
    "An admin command holds a control character. Write it with luaString.",
  );
}

function parseReply(line: string): Reply {
  const [ok, text] = parseBytes(line) as [boolean, string];
  return { ok, text };
}
