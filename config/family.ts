/**
 * A family of distributions: Debian with Ubuntu and the like, or Fedora with RHEL, CentOS Stream, Rocky and AlmaLinux.
 * What differs between them is here; paths and names that are not here are the same on both.
 */
export type Family = "debian" | "fedora";

/**
 * Where Prosody's admin socket is. SELinux leaves no choice where it is enforced: Debian's policy lets Prosody make
 * a socket among its data only, Fedora's only in its directory in /run.
 */
export const adminSockets: Record<Family, string> = {
  debian: "/var/lib/prosody/prosody.sock",
  fedora: "/run/prosody/prosody.sock",
};

/** Unit that renews certificates with certbot. */
export const certbotTimers: Record<Family, string> = {
  debian: "certbot.timer",
  fedora: "certbot-renew.timer",
};

/** Packages that Fedora has under other names than Debian; `undefined`: it has none. */
const fedoraPackages: Record<string, string | undefined> = {
  "lua-dbi-mysql": "lua-dbi",
  "lua-dbi-postgresql": "lua-dbi",
  "lua-dbi-sqlite3": "lua-dbi",
  postgresql: "postgresql-server",
  "postgresql-client": "postgresql",
  // Fedora's Prosody comes with all that the default server needs; nobody packages the community's modules.
  "prosody-modules": undefined,
};

/** What a package that Debian calls `name` is called in a family; `undefined` where it has none. */
export function packageName(family: Family, name: string): string | undefined {
  return family === "fedora" && Object.hasOwn(fedoraPackages, name) ? fedoraPackages[name] : name;
}
