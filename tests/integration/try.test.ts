import { configuration } from "../../providers/handlers/configuration";
import { openHost } from "../../providers/ssh/host";
import { up } from "../../lab";
import { readFileSync } from "node:fs";
test("try", async () => {
  const lab = await up(process.env.LABHOST!);
  const host = await openHost({ address: lab.address, port: 22, user: "root", trust: { kind: "pinned", hostKeys: [lab.hostKey] }, login: { privateKeyFile: lab.privateKeyFile }, sudo: false, connectTimeout: 10 } as any, lab.name);
  const main = readFileSync(process.env.CFG!, "utf8");
  const file = (content: string) => ({ content, mode: "0640", owner: "root", group: "prosody" });
  const inputs = { server: lab.name, files: { "/etc/prosody/prosody.cfg.lua": file(main) }, secrets: {}, live: true };
  const t = Date.now();
  try {
    const op = process.env.OP ?? "create";
    const out = op === "read" ? await configuration.read(host, { ...inputs, warnings: [] }) : op === "delete" ? await configuration.delete(host, { ...inputs, warnings: [] }) : op === "update" ? await configuration.update(host, { ...inputs, warnings: [] }, inputs) : await configuration.create(host, inputs);
    console.log(JSON.stringify({ ...out, files: undefined }, null, 1), Date.now() - t);
  } catch (e) { console.log((e as Error).message, Date.now() - t); }
  await host.close();
}, 120000);
