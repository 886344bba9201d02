import { parseArgs } from "node:util";
import { Refused } from "../config/refused";
import { say } from "../lab/command";
import { lua } from "../providers/admin-shell";
import { openHost } from "../providers/ssh/host";
import { invitationCode, invitationText, invited } from "./invitation";
import { serverOf } from "./stack";

const usage = `npm run invite -- --stack NAME [OPTION...] [JID]

Makes an invitation on the server and prints it as a link and as a QR code: with it one person makes one account
(XEP-0401, XEP-0445). Registration stays closed for everybody else.

  JID            the account's address, or its domain alone: the invited person chooses the name then;
                 default: the server's only domain
  --server NAME  one server of a stack with several
  --days N       for how long it can be used, 1 to 365; default: 7
  --link         print the link alone

Exit status: 0 done, 2 it could not be made.
`;

/** `npm run invite`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      stack: { type: "string" },
      server: { type: "string" },
      days: { type: "string", default: "7" },
      link: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const days = /^\d{1,3}$/.test(values.days) ? Number(values.days) : 0;
  if (values.help || !values.stack || positionals.length > 1 || days < 1 || days > 365) {
    say(usage);
    return values.help ? 0 : 2;
  }
  try {
    const server = await serverOf(values.stack, values.server);
    const whom = invited(
      positionals[0],
      server.domains.map(({ name }) => name),
    );
    const host = await openHost(server.host, server.name);
    try {
      const uri = await lua(host, invitationCode(whom, days), { doing: "making an invitation" });
      process.stdout.write(values.link ? `${uri}\n` : invitationText(whom, uri, days));
      return 0;
    } finally {
      await host.close();
    }
  } catch (error) {
    say(error instanceof Refused ? `${positionals[0]}: ${error.message}.` : (error as Error).message);
    return 2;
  }
}
