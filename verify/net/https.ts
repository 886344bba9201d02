import { request } from "node:https";
import { fixedLookup } from "./names";
import { authorities, type Network } from "./tls";

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** One request over HTTPS, the certificate verified; redirections are not followed. */
export async function fetchHttps(
  network: Network,
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body?: Buffer,
): Promise<Answer> {
  const host = await network.names.address(new URL(url).hostname);
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      {
        method,
        lookup: fixedLookup(host),
        ca: authorities(network),
        timeout: 8000,
        agent: false,
        headers: {
          ...headers,
          ...(body && { "content-length": String(body.length) }),
        },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      },
    );
    call.on("timeout", () => call.destroy(new Error("no answer in 8 s")));
    call.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(`${method} ${url}: ${error.code ?? error.message}`)),
    );
    call.end(body);
  });
}
