import { isLoaded, lacksAuthentication, missingPorts } from "./activation";
import type { Model, Running } from "./model";

/** What the running server does not do although its configuration says so; each a sentence without its end. */
export function ailments(running: Running, wanted: Model): string[] {
  const hosts = Object.keys(wanted.hosts).sort();
  return [
    ...hosts.filter((host) => !running.hosts[host]).map((host) => `${host} is not active`),
    ...hosts
      .filter((host) => running.hosts[host])
      .flatMap((host) =>
        wanted.hosts[host]!.modules.flatMap((module) => {
          if (!isLoaded(running, host, module)) return [`module ${module} is not loaded on ${host}`];
          const failed = (running.hosts[host]!.modules[module] ?? running.hosts["*"]!.modules[module])!
            .failed;
          return failed ? [`module ${module} on ${host} says: ${failed}`] : [];
        }),
      ),
    ...hosts
      .filter(lacksAuthentication(running))
      .map((host) => `nobody can log in to ${host}, because its authentication did not load`),
    ...(running.lockedOut ? [failsClients(running.lockedOut)] : []),
    ...Object.entries(running.services)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([service, { wanted, active }]) =>
        missingPorts(wanted, active).map(
          (port) => `${service} does not listen on port ${port.port} of ${port.interface}`,
        ),
      ),
  ];
}

const failsClients = ({ host, reason }: { host: string; reason: string }) =>
  `nobody can log in to ${host}, because Prosody fails when a client connects: ${reason}`;
