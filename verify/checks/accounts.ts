import type { Check, Context } from "../check";
import { all, byModule, byPort } from "../expected";
import { fetchHttps } from "../net/https";
import { ask, openDirectTls, openStarttls } from "../net/tls";
import { xml } from "../xmpp/library";
import { fail, must } from "./help";

const register = "jabber:iq:register";

/** How accounts come about and change. */
export const accountChecks: Check[] = [
  {
    name: "Nobody makes an account without an invitation",
    spec: "XEP-0077",
    option: "prosody:options.allow_registration: false",
    expect: ({ server }) =>
      server.options.allow_registration === true ? { off: "options.allow_registration is true" } : "expected",
    accounts: 0,
    async run(context) {
      const stranger = await Stranger.connect(context);
      const answer = await stranger.register(`${context.tag}-stranger`, "a-Password-1");
      stranger.close();
      must(/type='error'|type="error"/.test(answer), "anybody can make an account");
    },
  },
  {
    name: "In-Band Registration, for those who are invited",
    spec: "XEP-0077",
    suites: ["informational"],
    option: "prosody:modules with invites_register",
    expect: all(byModule("register"), byModule("invites"), byModule("invites_register")),
    accounts: 0,
    async run(context) {
      const stranger = await Stranger.connect(context);
      try {
        must(stranger.features.includes("urn:xmpp:invite"), "the server does not announce it");
        const { name, token } = await context.invite();
        const preauth = `<iq type='set' id='p' to='${context.expected.unicode}'><preauth xmlns='urn:xmpp:pars:0' token='${token}'/></iq>`;
        const welcome = await stranger.ask(preauth, /<iq [^>]*id=['"]p['"].*?(\/>|<\/iq>)/s);
        must(!/type=['"]error/.test(welcome), "the invitation is refused");
        const answer = await stranger.register(name, "a-Password-1");
        must(!/type=['"]error/.test(answer), "the invited person gets no account");
      } finally {
        stranger.close();
      }
    },
  },
  {
    name: "An invited person makes the account in the browser",
    spec: "XEP-0401",
    option: "prosody:modules with invitation_page",
    expect: all(byPort("https"), byModule("invitation_page")),
    accounts: 0,
    async run({ invite, network }) {
      const { name, page } = await invite();
      if (!page) fail("the server gives no link to a page");
      const shown = await fetchHttps(network, "GET", page);
      must(shown.status === 200, `GET ${page} is answered ${shown.status}`);
      must(shown.body.includes(name), `${page} does not say for whom it is`);
      const form = new URLSearchParams({ name, password: "a-Password-1", again: "a-Password-1" }).toString();
      const type = { "content-type": "application/x-www-form-urlencoded" };
      const made = await fetchHttps(network, "POST", page, type, Buffer.from(form));
      must(made.status === 200, `the form is answered ${made.status}`);
      return new URL(page).origin;
    },
  },
  {
    name: "A user changes the password",
    spec: "XEP-0077",
    option: "prosody:modules with register",
    expect: byModule("register"),
    async run({ login, accounts }) {
      const account = accounts[0]!;
      const session = await login();
      const [username] = account.jid.split("@") as [string];
      const changed = `${account.password}2`;
      await session.set(
        session.domain,
        xml("query", register, xml("username", {}, username), xml("password", {}, changed)),
      );
      account.password = changed;
      await (await login()).settle();
    },
  },
];

/** Somebody who has connected and has no account. */
class Stranger {
  private constructor(
    readonly features: string,
    readonly domain: string,
    private readonly socket: Awaited<ReturnType<typeof openStarttls>>,
  ) {}

  static async connect({ network, expected }: Context): Promise<Stranger> {
    const open = expected.server.ports.clientStarttls === false ? openDirectTls : openStarttls;
    const socket = await open(network, expected.unicode);
    const namespaces = "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'";
    const header = `<?xml version='1.0'?><stream:stream to='${expected.unicode}' version='1.0' ${namespaces}>`;
    const features = await ask(socket, header, /<stream:features.*?<\/stream:features>/s);
    return new Stranger(features, expected.unicode, socket);
  }

  ask(text: string, answer: RegExp): Promise<string> {
    return ask(this.socket, text, answer);
  }

  register(name: string, password: string): Promise<string> {
    const form = `<username>${name}</username><password>${password}</password>`;
    const query = `<iq type='set' id='r' to='${this.domain}'><query xmlns='${register}'>${form}</query></iq>`;
    return this.ask(query, /<iq [^>]*id=['"]r['"].*?(\/>|<\/iq>)|<stream:error.*/s);
  }

  close(): void {
    this.socket.destroy();
  }
}
