import type { RunOptions, RunResult } from "../host";
import { quote } from "./quote";

/** A script that only reads, with what it is given. */
export interface Reading {
  script: string;
  options: RunOptions;
}

/** Bytes of scripts in one command: Linux takes 128 KiB in one argument, and less is left of it after quoting. */
const longest = 40_000;

/** Splits readings, in their order, so that each part fits in one command. */
export function parts(readings: readonly Reading[]): Reading[][] {
  const all: Reading[][] = [];
  let room = 0;
  for (const reading of readings) {
    const size = Buffer.byteLength(quote(reading.script));
    if (size > room) {
      all.push([]);
      room = longest;
    }
    all.at(-1)!.push(reading);
    room -= size;
  }
  return all;
}

/**
 * One script that runs all of them at the same time, each in a subshell of one shell. What they print is kept in
 * memory (/run) for root alone until all before it have ended. Where that is full, nothing is told at all: half of what
 * one says would pass for all of it.
 * @param mark a line that nothing prints by chance
 */
export function batchScript(readings: readonly Reading[], mark: string): string {
  const begin = readings.map(({ script, options }, index) => {
    const size = inputOf(options).length;
    return `begin ${index} ${size} ${quote(script)}`;
  });
  return `kept=$(umask 077; mktemp -d /run/prosody-pulumi.XXXXXX) || exit
trap 'rm -rf "$kept"' EXIT
begin() {
  head -c "$2" >"$kept/in$1" || exit
  ( script=$3 kept=$kept/$1; shift 3; eval "$script" ) <"$kept/in$1" >"$kept/out$1" 2>"$kept/err$1" &
  set -- "$1" $!
  all="$all $1:$2"
}
all=
${begin.join("\n")}
for each in $all; do
  wait "\${each#*:}"
  code=$?
  printf %4096s . 2>/dev/null >"$kept/room" || exit # a page: what is full by one of them is full still
  cat "$kept/out\${each%:*}"
  printf '\\n%s %s\\n' ${mark} $code
  cat "$kept/err\${each%:*}"
  printf '\\n%s\\n' ${mark}
done`;
}

const inputOf = ({ input }: RunOptions): Buffer => Buffer.from(input ?? "");

/** The inputs one after the other: the script knows how long each is. */
export const batchInput = (readings: readonly Reading[]): Buffer =>
  Buffer.concat(readings.map(({ options }) => inputOf(options)));

/** The end of each of them, as far as the output tells. */
export function batchResults(stdout: string, mark: string): RunResult[] {
  const ends = new RegExp(`([^]*?)\\n${mark} (\\d+)\\n([^]*?)\\n${mark}\\n`, "g");
  return [...stdout.matchAll(ends)].map(([, out, code, err]) => ({
    code: Number(code),
    stdout: out!,
    stderr: err!,
  }));
}
