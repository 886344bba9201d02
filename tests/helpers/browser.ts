import { mkdirSync } from "node:fs";
import path from "node:path";
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { root } from "../../config/root";
import { installMissing } from "../../lab/machine";

/** What a browser did: the hosts that it asked for anything, and what the pages' security policies refused. */
export interface Trace {
  hosts: Set<string>;
  refused: string[];
}

/**
 * Debian's Chromium, headless, which finds example.test and the names below it at one address, and no other name.
 * Its own list of authorities knows nothing of the lab's, so that it takes any certificate; other tests verify it.
 * @param ports where a port of example.test is to be found at another one
 */
export async function openBrowser(address: string, ports: Record<number, number> = {}) {
  await installMissing({ chromium: "chromium" });
  const rules = [
    ...Object.entries(ports).map(([from, to]) => `MAP example.test:${from} ${address}:${to}`),
    ...["example.test", "*.example.test"].map((name) => `MAP ${name} ${address}`),
    "MAP * ~NOTFOUND",
  ];
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      ..."--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(
        " ",
      ),
      "--disable-component-update",
      "--disable-sync",
      `--host-resolver-rules=${rules.join(", ")}`,
    ],
  });
}

/** Settings of a browser's context that tests share. */
export const visitor: BrowserContextOptions = {
  ignoreHTTPSErrors: true,
  locale: "en-GB",
  timezoneId: "UTC",
  viewport: { width: 1000, height: 640 },
};

/** Notes what the pages of a context ask for, from now on. */
export function trace(context: BrowserContext): Trace {
  const seen: Trace = { hosts: new Set(), refused: [] };
  const ask = (url: string) => {
    if (!/^(data|blob):/.test(url)) seen.hosts.add(new URL(url).host);
  };
  context.on("request", (request) => ask(request.url()));
  context.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) seen.refused.push(message.text());
  });
  context.on("page", (page) => page.on("websocket", (socket) => ask(socket.url())));
  return seen;
}

/** A picture for the documentation, in `docs/images`: taken only where `PROSODY_SCREENSHOTS=1` is in the environment. */
export async function screenshot(page: Page, name: string, fullPage = false): Promise<void> {
  if (process.env.PROSODY_SCREENSHOTS !== "1") return;
  const directory = path.join(root, "docs/images");
  mkdirSync(directory, { recursive: true });
  await page.screenshot({ path: path.join(directory, `${name}.png`), fullPage });
}
