import { parseArgs } from "node:util";
import { Refused } from "../config/refused";
import { say } from "../lab/command";
import { backupPause, lua } from "../providers/admin-shell";
import { openHost } from "../providers/ssh/host";
import { invitationCode, invitationText, invited, linksIn } from "./invitation";
import { serverOf } from "./stack";

const usage = `npm run invite -- --stack NAME [OPTION...] [JID]

Makes an invitation on the server and prints it as a link and as a QR code: with it one person makes one account
(XEP-0401, XEP-0445). The link leads to a page of the server that says how. Registration stays closed for everybody
else.

  JID            the account's address, or its domain alone: the invited person chooses the name then;
                 default: the server's only domain
  --server NAME  one server of a stack with several
  --days N       for how long it can be used, 1 to 365; default: 7
  --link         print the link alone

Exit status: 0 done, 2 it could not be made.
`;

/** `npm run invite`. Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const given = parsed(args);
  if (typeof given === "string") {
    say(`${given}${usage}`);
    return given === "" ? 0 : 2;
  }
  const { stack, jid, days } = given;
  try {
    const server = await serverOf(stack, given.server);
    const whom = invited(
      jid,
      server.domains.map(({ name }) => name),
    );
    const host = await openHost(server.host, server.name);
    try {
      const options = { doing: "making an invitation", patience: backupPause };
      const links = linksIn(await lua(host, invitationCode(whom, days), options));
      process.stdout.write(given.link ? `${links.page ?? links.uri}\n` : invitationText(whom, links, days));
      return 0;
    } finally {
      await host.close();
    }
  } catch (error) {
    say(error instanceof Refused ? `${jid}: ${error.message}.` : (error as Error).message);
    return 2;
  }
}

/** The command line; where it can't be understood, what is to be said before the usage. */
function parsed(args: string[]) {
  try {
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
    if (values.help) return "";
    const days = /^\d{1,3}$/.test(values.days) ? Number(values.days) : 0;
    const { stack } = values;
    if (stack === undefined) return "--stack NAME is missing.\n\n";
    if (positionals.length > 1) return `One invitation at a time: ${positionals.join(", ")}.\n\n`;
    if (days < 1 || days > 365) return `--days ${values.days}: give a number from 1 to 365.\n\n`;
    return { ...values, stack, jid: positionals[0], days };
  } catch (error) {
    return `${(error as Error).message}\n\n`;
  }
}
