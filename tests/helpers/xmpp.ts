import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import readline from "node:readline";

/** A connected XMPP client. */
export interface Session {
  /** Ends the session. `alive`, if it is still the one that was opened; else how it was lost. */
  end(): Promise<string>;
}

/** Connects a real client and waits until it is online. */
export async function connect(
  server: { address: string; port: number; caFile: string },
  account: { jid: string; password: string },
): Promise<Session> {
  const child = spawn(process.execPath, [path.join(__dirname, "xmpp-session.mjs")], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: server.caFile },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = readline.createInterface({ input: child.stdout });
  child.stdin.write(`${JSON.stringify({ address: server.address, port: server.port, ...account })}\n`);
  const [first] = await once(lines, "line");
  if (first !== "online") {
    child.kill();
    throw new Error(`${account.jid} can't log in at ${server.address}: ${first}`);
  }
  return {
    async end() {
      child.stdin.end();
      const [last] = await once(lines, "line");
      return last as string;
    },
  };
}
