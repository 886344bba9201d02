import { readFileSync } from "node:fs";
import { join } from "node:path";
import Mustache from "mustache";
import { root } from "../config/root";
import { pendingMark, reloadBySignal, reloadTurn, unreadable } from "../providers/load-certificates";

/** The script that certbot runs after each renewal of a virtual host's certificate. */
export function renderCertbotHook(domain: string): string {
  const template = readFileSync(join(root, "templates/certbot-hook.mustache"), "utf8");
  const view = { domain, reload: reloadBySignal, reloadTurn, mark: pendingMark, unreadable };
  return Mustache.render(template, view, {}, { escape: String });
}
