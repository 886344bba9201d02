const later = "The data stay on the host. To keep serving them, leave the domain in prosody:domains.";

/** What becomes of people whose domain leaves the configuration. Only the host knows whether there are some. */
export function losesAccess(server: string, domain: string): string {
  return `${server}: ${domain} leaves the configuration, and every account of it that is not in prosody:jids, as those by invitation, loses its access. ${later}`;
}

/** The same where the stack has had no account of the domain yet, so that all that the host has are other people's. */
export function loseAccess(server: string, domain: string, count: number): string {
  const who = count === 1 ? "1 account of it loses its" : `${count} accounts of it lose their`;
  return `${server}: ${domain} leaves the configuration, and ${who} access. ${later}`;
}

/** The virtual hosts of a configuration of ours. */
export function virtualHosts(text: string): string[] {
  return [...text.matchAll(/^VirtualHost "([^"]+)"$/gm)].map(([, name]) => name!);
}
