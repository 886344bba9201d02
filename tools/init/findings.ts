import type { Family } from "../../config/family";
import { listeners } from "../../config/listeners";
import { releaseOf } from "../../config/release";
import type { Server } from "../../config/settings";
import { coturn } from "../../providers/facts/coturn";
import { type OsRelease, osRelease } from "../../providers/facts/os-release";
import { packages } from "../../providers/facts/packages";
import { isActive, service } from "../../providers/facts/service";
import type { Fact, Host } from "../../providers/host";

/** Something that was looked at before the stack config is written. */
export interface Finding {
  /** It keeps something from working, and says what to do. */
  isWarning: boolean;
  text: string;
}

/** What a host is like before the first up. */
export interface Survey {
  os: OsRelease;
  /** Version of the installed Prosody; `undefined` where there is none. */
  installed?: string;
  /** Version that the package manager would install, as far as it knows. */
  candidate?: string;
  isRunning: boolean;
  /** The host's own addresses. */
  addresses: string[];
  /** Ports in use, as "tcp 5222" → name of the program. */
  taken: Record<string, string>;
}

/** Version of Prosody that the host's repositories have, by the lists that the host has fetched. */
const candidate: Record<Family, Fact<string | undefined>> = {
  debian: {
    name: "the candidate of apt",
    script: "LC_ALL=C apt-cache policy prosody 2>/dev/null | sed -n 's/^ *Candidate: //p'",
    parse: version,
  },
  fedora: {
    name: "the candidate of dnf",
    script: "timeout 50 dnf -q repoquery --latest-limit 1 --qf '%{version}\\n' prosody 2>/dev/null || true",
    parse: version,
  },
};

function version(stdout: string): string | undefined {
  return /^\d+\.\d+\S*/m.exec(stdout)?.[0];
}

/** Looks at a host. @throws Error for one that the program can't work on */
export async function survey(host: Host): Promise<Survey> {
  const os = await host.fact(osRelease);
  const { prosody: installed } = await host.fact(packages(os.family));
  const { addresses, taken } = await host.fact(coturn); // it has to know, too
  return {
    os,
    ...(installed ? { installed } : { candidate: await host.fact(candidate[os.family]) }),
    isRunning: installed !== undefined && isActive(await host.fact(service("prosody"))),
    addresses,
    taken,
  };
}

/**
 * Whether the host's distribution has a Prosody that the program knows, and whether one is there.
 * @throws Error for a release that is too old, or too new
 */
export function prosodyFinding({ os, installed, candidate, isRunning }: Survey, stack: string): Finding {
  const found = installed ?? candidate;
  if (found === undefined && os.id === "debian" && Number(os.version) < 12)
    throw new Error(`The host runs ${os.name}, which is too old: use Debian 12 or 13.`);
  if (found !== undefined)
    try {
      releaseOf(found);
    } catch (error) {
      throw new Error(
        `The host runs ${os.name}. ${(error as Error).message} Debian 12 and 13 have them, and the current Fedora.`,
      );
    }
  if (installed)
    return {
      isWarning: true,
      text: `Prosody ${installed} is ${isRunning ? "running" : "installed"} on the host (${os.name}). \`npm run compare -- --stack ${stack}\` shows what \`pulumi up\` would change of it.`,
    };
  if (candidate) return { isWarning: false, text: `${os.name}: has Prosody ${candidate}.` };
  return os.family === "fedora"
    ? {
        isWarning: true,
        text: `${os.name}: its repositories have no package prosody. On RHEL and its relatives it is in EPEL: \`dnf install epel-release\`.`,
      }
    : { isWarning: false, text: `${os.name}. Which Prosody it has will be seen with its package lists.` };
}

/** Which of the server's ports something else has on the host. Prosody's own are its own business. */
export function portFindings(server: Server, { taken, isRunning }: Survey): Finding[] {
  const wanted = listeners(server).filter(({ lastPort }) => lastPort === undefined); // relaying takes what is free
  const found = wanted.flatMap(({ service, port, protocol, program }): Finding[] => {
    const holder = taken[`${protocol} ${port}`];
    if (holder === undefined || (isRunning && program === "prosody" && /^(prosody|lua)/.test(holder)))
      return [];
    const fix =
      service === "acme"
        ? "Stop it, or bring your own certificate: certbot needs the port for a moment at each renewal"
        : `Stop it, or choose another port: pulumi config set --path prosody:ports.${service.replace(/-tcp$/, "")} PORT`;
    return [{ isWarning: true, text: `Port ${port}/${protocol} is taken by ${holder}. ${fix}.` }];
  });
  if (found.length > 0) return found;
  const numbers = [...new Set(wanted.map(({ port }) => port))].sort((a, b) => a - b);
  return [{ isWarning: false, text: `Nothing else has the ports ${numbers.join(", ")} on the host.` }];
}
