import type { Secret } from "../../config/secret";
import { raw, sh } from "./quote";

/** How scripts become root on a host, and what its login shell needs; found out once per connection. */
export interface Access {
  /** `login`: the user is root. `sudo`: sudo asks for nothing. `password`: it asks. */
  root: "login" | "sudo" | "password";
  /** Needed with `password`. */
  password?: Secret;
  /** The login shell can't take a command of several lines. */
  encode: boolean;
}

/** Precedes the data that a script gets, when sudo may have taken the line before it. */
const inputFollows = "prosody-pulumi: input follows";

/** Printed to the standard error before a script: what is there earlier is of a login shell or of sudo. */
const scriptFollows = "prosody-pulumi: script follows";

/** Names the environment variable by which the processes of a script are found again. */
const runVariable = "PROSODY_PULUMI_RUN";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The command for the login shell that runs a script as root, in an environment that does not depend on the
 * user: C.UTF-8, a PATH with the sbin directories, umask 022, the root directory.
 *
 * `timeout` (coreutils) ends the script where this side no longer can, since the connection is gone.
 *
 * @param id marks the script's processes
 * @param seconds that the script may take
 */
export function rootCommand(script: string, access: Access, id: string, seconds: number): string {
  const guard = access.root === "password" ? takeGuard : "";
  const run = sh`env ${raw(runVariable)}=${id} LC_ALL=C.UTF-8 PATH=${path} timeout -k 10 ${seconds + 10} sh -c ${`${announce}umask 022; cd /; ${guard}${script}`}`;
  const command = `${becomeRoot[access.root]}${run}`;
  if (!access.encode) return command;
  // csh reads no line breaks and exclamation marks within apostrophes.
  const encoded = Buffer.from(command).toString("base64");
  return `sh -c 'eval "$(echo ${encoded} | base64 -d)"'`;
}

const announce = sh`echo ${scriptFollows} >&2; `;

const becomeRoot = {
  login: "exec ",
  sudo: "exec env LC_ALL=C sudo -n -- ",
  password: "exec env LC_ALL=C sudo -k -S -p '' -- ",
};

/**
 * sudo reads the password from the first line of the input, unless it does not ask: sudoers can change between
 * two commands. The script would then get the password as its data. So a fixed line follows the password, and the
 * script skips everything up to it. `read` takes byte by byte from a pipe, so nothing of the data is lost.
 */
const takeGuard = sh`while IFS= read -r line && [ "$line" != ${inputFollows} ]; do :; done; unset line; `;

/** What goes to the script's standard input. */
export function rootInput(input: string | Buffer | undefined, access: Access): Buffer {
  const data = Buffer.from(input ?? "");
  if (access.root !== "password") return data;
  return Buffer.concat([Buffer.from(`${access.password?.reveal() ?? ""}\n${inputFollows}\n`), data]);
}

/** Printed first, so that noise of login scripts can be told from answers. */
const probeMark = "prosody-pulumi-probe";

/**
 * Asks, as the user who is logged in and in words that any login shell understands, who that is and whether sudo
 * works without a password. `-k`: a password that was given a moment ago must not hide that sudo asks.
 */
export function probeCommand(sudo: boolean): string {
  const trySudo = "env LC_ALL=C sudo -k -n -- env true 2>&1; echo $?";
  return `sh -c 'echo ${probeMark}; id -u; echo "$SHELL"; ${sudo ? trySudo : ""}'`;
}

/**
 * Reads the answer to {@link probeCommand}.
 * @throws Error with the reason and the fix when there is no way to be root
 */
export function parseProbe(stdout: string, user: string, sudo: false | { password?: Secret }): Access {
  const [before, answer] = stdout.split(`${probeMark}\n`);
  if (before !== "" || answer === undefined)
    throw new Error(
      answer === undefined
        ? `the login shell of ${user} runs no commands: it printed ${JSON.stringify(stdout.slice(0, 200))}. Give the user a normal shell (chsh -s /bin/sh ${user}) and no ForceCommand`
        : `a login script of ${user} prints text in sessions without a terminal: ${JSON.stringify(before!.slice(0, 200))}. Begin ~/.bashrc (or what the shell reads) with \`[ -t 0 ] || return\``,
    );
  const [uid, shell, ...said] = answer.trimEnd().split("\n");
  // As no command may take the place of such a shell, all scripts would fail.
  if (/\/r(?:ba|k|z)sh$/.test(shell ?? ""))
    throw new Error(
      `the login shell of ${user} is ${shell}, which is restricted. Give the user a normal shell (chsh -s /bin/sh ${user})`,
    );
  const encode = shell?.endsWith("csh") ?? false;
  if (uid === "0") return { root: "login", encode };
  if (sudo === false) throw new Error(`${user} is not root. Set \`sudo: true\`, or log in as root`);
  const code = said.pop();
  if (code === "0") return { root: "sudo", encode };
  const message = said.join("\n");
  if (/a password is required/.test(message) && sudo.password)
    return { root: "password", password: sudo.password, encode };
  throw new Error(sudoReason(message, user, sudo.password !== undefined));
}

/**
 * What a script said itself: neither what login scripts print, nor sudo's lecture or remarks, as where a cloud's host
 * does not know its own name. `begun`: it is known to have been started; otherwise this is why it was not.
 */
export function saidByScript(stderr: string): { begun: boolean; said: string } {
  // Not at the start of a line where PAM asks by a prompt of its own (LDAP, one-time passwords), which has no end.
  const at = stderr.indexOf(`${scriptFollows}\n`);
  return at < 0
    ? { begun: false, said: stderr }
    : { begun: true, said: stderr.slice(at + scriptFollows.length + 1) };
}

/** What a message of sudo (in the C locale) means, and what to do. */
export function sudoReason(message: string, user: string, hasPassword: boolean): string {
  const sudoers = `/etc/sudoers.d/${user}`;
  if (/not in the sudoers file|not allowed to (?:run|execute)|may not run sudo/.test(message))
    return `sudo does not let ${user} run commands as root. Put \`${user} ALL=(ALL) NOPASSWD: ALL\` into ${sudoers} on the host`;
  if (/must have a tty/.test(message))
    return `sudo wants a terminal (requiretty). Put \`Defaults:${user} !requiretty\` into ${sudoers} on the host`;
  if (/incorrect password|try again|no password was provided/i.test(message))
    return `sudo refused the password of ${user}. Set the right one as \`sudo.password\``;
  if (/not found|No such file/.test(message))
    return "there is no sudo on the host. Install it, or log in as root";
  if (/a password is required/.test(message) && !hasPassword)
    return `sudo asks for the password of ${user}. Set \`sudo.password\`, or put \`${user} ALL=(ALL) NOPASSWD: ALL\` into ${sudoers} on the host`;
  return `sudo does not work: ${message.trim() || "it said nothing"}`;
}

/** Tries the password, so that a wrong one is told as such and not by the first script. */
export const passwordProbe = "env LC_ALL=C sudo -k -S -p '' -- env true";

/**
 * Ends every process of a script and prints what they were, one per line: pid, command line.
 * They are found by their environment, so that children count too, and with sudo.
 */
export function stopScript(id: string): string {
  return sh`
pids=$(grep -lzsxF ${`${runVariable}=${id}`} /proc/[0-9]*/environ | cut -d/ -f3)
[ -n "$pids" ] || exit 0
for pid in $pids; do printf '%s ' "$pid"; tr '\\0' ' ' < "/proc/$pid/cmdline"; echo; done 2>${raw("/dev/null")}
kill -TERM $pids 2>/dev/null
tries=30
while kill -0 $pids 2>/dev/null && [ $tries -gt 0 ]; do sleep 0.1; tries=$((tries - 1)); done
kill -KILL $pids 2>/dev/null
exit 0`;
}
