import { paths } from "./paths";

/** Options of ssh(1) for the lab's own key and the host's pinned one, whatever the user's configuration says. */
export function sshOptions(knownHosts: string): string[] {
  const options = {
    IdentityFile: paths.clientKey(),
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "yes",
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    BatchMode: "yes",
    ConnectTimeout: "10",
    LogLevel: "ERROR",
  };
  return [
    "-F",
    "/dev/null",
    ...Object.entries(options).flatMap(([option, value]) => ["-o", `${option}=${value}`]),
  ];
}
