import { archiveDirectory } from "../archive";
import { sh } from "../ssh/quote";

/**
 * On the host: what stacks opened in firewalld, by lines such as "permanent public 5222/tcp". Written before the ports
 * are opened, so that those of a run that was cut off are not taken for somebody else's.
 */
export const openedFile = `${archiveDirectory}/firewalld-opened`;

/** Certbot's ports are a resource of their own, which may be at work at the same time. */
const prologue = sh`umask 077; mkdir -p ${archiveDirectory}; exec 9<${archiveDirectory}; flock 9; file=${openedFile}`;

/** A script that adds lines to the file, or ends. */
export const note = (lines: string[]): string =>
  lines.length === 0
    ? ""
    : `( ${prologue}; { cat "$file" 2>/dev/null; ${sh`printf '%s\\n' ${lines}`}; } | sort -u >"$file.part" && mv "$file.part" "$file" ) || exit\n`;

/** A script that takes lines out of the file. */
export const forget = (lines: string[]): string =>
  lines.length === 0
    ? ""
    : `( ${prologue}; ${sh`printf '%s\\n' ${lines}`} | grep -vxFf - "$file" >"$file.part" 2>/dev/null; [ $? = 2 ] || mv "$file.part" "$file"; [ -s "$file" ] || rm -f "$file"; rm -f "$file.part" )\n`;
