import type { Domain, Server } from "./settings";
import { turnHost } from "./turn";

type Named = Pick<Server, "conference" | "upload" | "proxy65" | "turn" | "components">;

/** The names that a certificate of a virtual host is asked for: its own, and those of its services. Sorted. */
export function certificateNames(server: Named, domain: Domain): string[] {
  const { conference, upload, proxy65, turn, components } = server;
  const services = [conference, upload, proxy65]
    .filter(({ enabled }) => enabled)
    .map(({ subdomain }) => `${subdomain}.${domain.name}`);
  const calls = turn.enabled && domain.name === turn.domain ? [turnHost(turn)] : [];
  const external = components.filter((component) => component.domain === domain.name).map(({ name }) => name);
  const further = domain.acme?.names ?? [];
  return [...new Set([domain.name, ...services, ...calls, ...external, ...further])].sort();
}
