import { spawn } from "node:child_process";
import path from "node:path";
import { root } from "../config/root";

/** A session as the server gave it, or why there is none: a SASL condition such as `not-authorized`. */
export type LoginResult = { jid: string; protocol: string } | { error: string };

/**
 * Logs one account in over verified STARTTLS (RFC 6120) and ends the session again.
 * @param server.address where to connect; DNS is not asked
 * @param server.caFile PEM of the authority that must have issued the certificate
 */
export async function login(
  server: { address: string; port: number; caFile: string },
  account: { jid: string; password: string },
): Promise<LoginResult> {
  const child = spawn(process.execPath, [path.join(root, "tools/xmpp-login.mjs")], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: server.caFile },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(JSON.stringify({ address: server.address, port: server.port, ...account }));
  let output = "";
  for await (const chunk of child.stdout) output += chunk;
  if (!output)
    throw new Error(
      `The login of ${account.jid} at ${server.address}:${server.port} gave no answer. See journalctl -u prosody on the host.`,
    );
  return JSON.parse(output) as LoginResult;
}
