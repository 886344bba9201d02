/** What a code of a failed TCP connection means, and what to do. */
export function networkReason(code: string, seconds: number): string {
  switch (code) {
    case "ECONNREFUSED":
      return "the connection was refused: nothing listens there. See whether sshd is running, and whether `port` is right";
    case "ETIMEDOUT":
      return `no answer within ${seconds} s. See whether the host is up, and whether a firewall drops the port`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return `there is no route to the host (${code}). See whether the host is up and the network is connected`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NODATA":
      return `the name does not resolve (${code}). See whether \`address\` is right and DNS works`;
    case "ECONNRESET":
      return "the connection was reset. See whether sshd is starting or stopping, or blocks this address";
    default:
      return code;
  }
}

/** Joins parts to sentences; empty ones are left out. */
export function sentences(...parts: string[]): string {
  return parts
    .filter(Boolean)
    .map((part) => `${part[0]!.toUpperCase()}${part.slice(1)}`.replace(/[.\s]*$/, "."))
    .join(" ")
    .replace(/^./, (first) => first.toLowerCase());
}

/**
 * A host's text as a terminal may show it: what controls the terminal (escape sequences, C1 controls), or turns around what
 * is read, is written as its code.
 */
export function printable(text: string): string {
  return text.replace(
    /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The last lines of a command's output, for an error. */
export function lastLines(text: string, lines = 10, length = 2000): string {
  return printable(text.trim().replace(/\r\n/g, "\n")).split("\n").slice(-lines).join("\n").slice(-length);
}

/** The beginning of a script, enough to recognise it by. */
export function excerpt(script: string, length = 160): string {
  const line = script.trim().split("\n")[0]!;
  return line.length > length || script.trim().includes("\n") ? `${line.slice(0, length).trimEnd()} …` : line;
}

/** What to do where the host's disk is what a command complains of, whatever it was about. */
export function diskFix(output: string): string | undefined {
  if (/No space left on device|Disk quota exceeded/i.test(output))
    return "The disk is full, or has no inodes left: see `df -h` and `df -i` on the host, make room, then run this again.";
  if (/Read-only file system/i.test(output))
    return "The file system is mounted read-only, as the kernel does after an error of the disk: see `dmesg` and `findmnt` on the host, put that right, then run this again.";
  return undefined;
}
