import type { Domain, Server } from "./settings";
import { turnHost } from "./turn";

type Named = Pick<Server, "domains" | "conference" | "upload" | "proxy65" | "turn" | "components">;

/** The names that a certificate of a virtual host is asked for: its own, and those of its services. Sorted. */
export function certificateNames(server: Named, domain: Domain): string[] {
  const { domains, conference, upload, proxy65, turn, components } = server;
  const services = [conference, upload, proxy65]
    .filter(({ enabled }) => enabled)
    .map(({ subdomain }) => `${subdomain}.${domain.name}`);
  const calls = turn.enabled && domain.name === domains[0]!.name ? [turnHost(turn, domains)] : [];
  const external = components.filter((component) => component.domain === domain.name).map(({ name }) => name);
  const further = domain.acme?.names ?? [];
  return [...new Set([domain.name, ...services, ...calls, ...external, ...further])].sort();
}
