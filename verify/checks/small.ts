import type { Check } from "../check";
import { byModule } from "../expected";
import { xml } from "../xmpp/library";
import { fail, formFields, infoOf, must } from "./help";

/** Small questions to the server. */
export const smallChecks: Check[] = [
  {
    name: "XMPP Ping",
    spec: "XEP-0199",
    option: "prosody:modules with ping",
    expect: byModule("ping"),
    async run({ login }) {
      const session = await login();
      await session.get(session.domain, xml("ping", "urn:xmpp:ping"));
    },
  },
  {
    name: "Software Version",
    spec: "XEP-0092",
    option: "prosody:modules with version",
    expect: byModule("version"),
    async run({ login, expected }) {
      const session = await login();
      const answer = (await session.get(session.domain, xml("query", "jabber:iq:version"))).getChild("query");
      must(answer?.getChildText("name") === "Prosody", "it is no Prosody");
      const version = answer.getChildText("version") ?? "";
      must(version.startsWith(expected.release), `it is ${version}, not ${expected.release}`);
      return version;
    },
  },
  {
    name: "Entity Time",
    spec: "XEP-0202",
    option: "prosody:modules with time",
    expect: byModule("time"),
    async run({ login }) {
      const session = await login();
      const answer = (await session.get(session.domain, xml("time", "urn:xmpp:time"))).getChild("time");
      const utc = Date.parse(answer?.getChildText("utc") ?? "");
      const away = Math.round(Math.abs(utc - Date.now()) / 1000);
      must(away < 60, `its clock and this machine's are ${away} s apart: set them by NTP`);
    },
  },
  {
    name: "Last Activity: since when the server runs",
    spec: "XEP-0012",
    option: "prosody:modules with uptime",
    expect: byModule("uptime"),
    async run({ login }) {
      const session = await login();
      const answer = (await session.get(session.domain, xml("query", "jabber:iq:last"))).getChild("query");
      must(Number(answer?.attrs.seconds) >= 0, "there is no answer");
    },
  },
  {
    name: "Contact Addresses: whom to write to about abuse",
    spec: "XEP-0157",
    suites: ["informational"],
    option: "prosody:contacts.abuse",
    expect: byModule("server_contact_info"),
    async run({ login, expected }) {
      const session = await login();
      const forms = (await infoOf(session, session.domain)).getChildren("x", "jabber:x:data").map(formFields);
      const told = forms.flatMap((fields) => fields["abuse-addresses"] ?? []);
      if (told.length === 0) return fail("the server names nobody");
      for (const address of expected.server.contacts.abuse)
        must(told.includes(address), `the server does not name ${address}, but ${told.join(", ")}`);
      return told.join(", ");
    },
  },
];
