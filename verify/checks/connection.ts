import { createHash, randomUUID } from "node:crypto";
import { type Check, type Context, FailedElsewhere } from "../check";
import { all, byAnyModule, byModule, byPort } from "../expected";
import { openDirectTls, openStarttls } from "../net/tls";
import type { Device } from "../xmpp/hashed-token";
import { type Element, xml } from "../xmpp/library";
import { fail, formFields, infoOf, must } from "./help";

/** How clients and servers connect and log in. */
export const connectionChecks: Check[] = [
  {
    name: "Log-in over STARTTLS, with SCRAM",
    spec: "RFC 6120",
    option: "prosody:ports.clientStarttls, and the SRV record _xmpp-client._tcp",
    expect: byPort("clientStarttls"),
    async run(context) {
      const session = await context.loginOver("starttls");
      await session.settle();
      return `${session.tls.getProtocol()}, ${session.mechanism}${unasked(context)}`;
    },
  },
  {
    name: "SRV records for XMPP over TLS",
    spec: "XEP-0368",
    suites: ["classic", "current"],
    option: "prosody:ports.clientDirectTls, and the SRV record _xmpps-client._tcp",
    expect: byPort("clientDirectTls"),
    async run(context) {
      const session = await context.loginOver("direct TLS");
      await session.settle();
      return `${session.tls.getProtocol()}, ${session.mechanism}${unasked(context)}`;
    },
  },
  {
    name: "A wrong password is refused",
    spec: "RFC 6120",
    option: "prosody:options.authentication",
    expect: () => "expected",
    async run({ login, accounts }) {
      const right = accounts[0]!.password;
      accounts[0]!.password = `${right}x`;
      await login().then(
        () => fail("anybody can log in with any password"),
        (error: Error) => {
          if (error instanceof FailedElsewhere) throw error;
          must(error.message === "not-authorized", `the answer is ${error.message}, not not-authorized`);
        },
      );
      accounts[0]!.password = right;
    },
  },
  {
    name: "Extensible SASL Profile",
    spec: "XEP-0388",
    option: "prosody:extraModules with sasl2",
    expect: all(byPort("clientStarttls"), byModule("sasl2")),
    async run({ loginOver }) {
      const session = await loginOver({ sasl2: { id: randomUUID() } });
      must(session.success?.is("success", "urn:xmpp:sasl:2"), "the server does not offer it");
      await session.settle();
    },
  },
  {
    name: "Bind 2",
    spec: "XEP-0386",
    option: "prosody:extraModules with sasl2 and sasl2_bind2",
    expect: all(byPort("clientStarttls"), byModule("sasl2", "sasl2_bind2")),
    async run({ loginOver }) {
      const session = await loginOver({ sasl2: { id: randomUUID() } });
      must(session.success?.getChild("bound", "urn:xmpp:bind:0"), "the log-in brings no resource");
      await session.settle();
    },
  },
  {
    name: "Fast Authentication Streamlining Tokens",
    spec: "XEP-0484",
    option: "prosody:extraModules with sasl2 and sasl2_fast",
    expect: all(byPort("clientStarttls"), byModule("sasl2", "sasl2_fast")),
    async run({ loginOver }) {
      const device: Device = { id: randomUUID() };
      await (await loginOver({ sasl2: device })).end();
      must(device.token, "the log-in brings no token");
      const session = await loginOver({ sasl2: device }).catch(({ message }: Error) =>
        fail(`the log-in with the token ends with ${message}`),
      );
      await session.settle();
      return session.mechanism;
    },
  },
  {
    name: "Entity Capabilities",
    spec: "XEP-0115",
    suites: ["classic", "current"],
    option: "prosody:modules with disco",
    expect: byModule("disco"),
    async run({ login }) {
      const session = await login();
      const caps = session.features?.getChild("c", "http://jabber.org/protocol/caps");
      if (!caps) return fail("the stream has no capabilities");
      const { node, ver } = caps.attrs;
      const info = await infoOf(session, session.domain, `${node}#${ver}`);
      const computed = verificationOf(info);
      must(computed === ver, `the hash ${ver} is not that of what the server tells (${computed})`);
    },
  },
  {
    name: "Stream Management",
    spec: "XEP-0198",
    suites: ["classic", "current"],
    option: "prosody:modules with smacks",
    expect: byModule("smacks"),
    accounts: 2,
    async run({ login }) {
      const [phone, friend] = await Promise.all([login(0), login(1)]);
      await phone.settle();
      must(phone.client.streamManagement.enabled, "the server does not offer it");
      const jid = phone.jid;
      await phone.cut();
      const id = await friend.say(jid, "sent while the phone had no network");
      await friend.settle();
      await phone.resume();
      must(phone.jid === jid, "it is another session");
      await phone.message(id, "the message sent while the connection was cut");
      await phone.settle();
    },
  },
  {
    name: "Client State Indication",
    spec: "XEP-0352",
    suites: ["classic", "current"],
    option: "prosody:modules with csi_simple",
    expect: byAnyModule("csi_simple", "csi_battery_saver", "csi_pump"),
    accounts: 2,
    async run({ login }) {
      const [phone, friend] = await Promise.all([login(0), login(1)]);
      must(phone.features?.getChild("csi", "urn:xmpp:csi:0"), "the server does not offer it");
      // Any answer to the phone would end the holding back: so that nothing asks for one, and that the friend learns
      // from the phone itself that it is inactive by now.
      Object.assign(phone.client.streamManagement, { requestAckDebounce: 60_000 });
      await phone.send(xml("inactive", "urn:xmpp:csi:0"));
      await friend.message(await phone.say(friend.jid, "I am inactive"));
      const typing = xml("composing", "http://jabber.org/protocol/chatstates");
      await friend.send(xml("message", { to: phone.jid, id: "typing", type: "chat" }, typing));
      await friend.settle();
      await phone.send(xml("active", "urn:xmpp:csi:0"));
      const held = await phone.message("typing", "what was held back");
      must(held.getChild("delay", "urn:xmpp:delay"), "nothing is held back for an inactive client");
    },
  },
  {
    name: "Other servers reach this one, certificate valid",
    spec: "RFC 6120",
    option: "prosody:ports.server, and the SRV record _xmpp-server._tcp",
    expect: byPort("server"),
    async run({ network, expected }) {
      const socket = await openStarttls(network, expected.unicode, "server");
      const protocol = socket.getProtocol();
      socket.destroy();
      return `${protocol}`;
    },
  },
  {
    name: "Other servers reach this one over direct TLS",
    spec: "XEP-0368",
    option: "prosody:ports.serverDirectTls, and the SRV record _xmpps-server._tcp",
    expect: byPort("serverDirectTls"),
    async run({ network, expected }) {
      const socket = await openDirectTls(network, expected.unicode, "server");
      const protocol = socket.getProtocol();
      socket.destroy();
      return `${protocol}`;
    },
  },
];

const unasked = ({ network }: Context) => (network.names.fromDns ? "" : "; DNS not asked");

/** The verification string of XEP-0115, section 5. */
function verificationOf(info: Element): string {
  const identities = info
    .getChildren("identity")
    .map(({ attrs }) => `${attrs.category}/${attrs.type}/${attrs["xml:lang"] ?? ""}/${attrs.name ?? ""}<`);
  const features = info.getChildren("feature").map(({ attrs }) => `${attrs.var}<`);
  const forms = info.getChildren("x", "jabber:x:data").map((form) => {
    const { FORM_TYPE: type = [], ...fields } = formFields(form);
    const lines = Object.entries(fields).map(
      ([name, values]) =>
        `${name}<${byBytes(values)
          .map((value) => `${value}<`)
          .join("")}`,
    );
    return `${type[0]}<${byBytes(lines).join("")}`;
  });
  const text = [byBytes(identities), byBytes(features), byBytes(forms)].flat().join("");
  return createHash("sha1").update(text).digest("base64");
}

const byBytes = (list: string[]) => [...list].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
