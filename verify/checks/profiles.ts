import { createHash, randomBytes } from "node:crypto";
import type { Check } from "../check";
import { all, byModule } from "../expected";
import { type Element, xml } from "../xmpp/library";
import { befriend, fail, infoOf, itemsOf, must, mustAnnounce, publish, refusal } from "./help";

const deviceList = "eu.siacs.conversations.axolotl.devicelist";
const bundle = "eu.siacs.conversations.axolotl.bundles:4711";
const axolotl = "eu.siacs.conversations.axolotl";
const bookmarks = "urn:xmpp:bookmarks:1";
const publishOptions = "http://jabber.org/protocol/pubsub#publish-options";

/** What users say of themselves, and keep for themselves. */
export const profileChecks: Check[] = [
  {
    name: "Personal Eventing Protocol",
    spec: "XEP-0163",
    suites: ["classic", "current"],
    option: "prosody:modules with pep",
    expect: byModule("pep"),
    accounts: 2,
    async run({ login }) {
      const [alice, bob] = await Promise.all([login(0), login(1)]);
      const tune = "http://jabber.org/protocol/tune";
      const info = await infoOf(alice, alice.bare);
      const isPep = info
        .getChildren("identity")
        .some(({ attrs }) => attrs.category === "pubsub" && attrs.type === "pep");
      must(isPep, `${alice.bare} does not say that it can do this`);
      const caps = interestedIn(bob, `${tune}+notify`);
      await Promise.all([alice.available(), bob.available(caps)]);
      await befriend(alice, bob);
      await publish(alice, tune, xml("tune", tune, xml("title", {}, "Yellow Submarine")));
      const isEvent = (stanza: Element) => stanza.getChild("event")?.getChild("items")?.attrs.node === tune;
      const event = await bob.next("the event for a contact", isEvent);
      must(event.toString().includes("Yellow Submarine"), "the event is another");
    },
  },
  {
    name: "OMEMO Encryption",
    spec: "XEP-0384",
    suites: ["classic", "current"],
    option: "prosody:modules with pep",
    expect: byModule("pep"),
    accounts: 2,
    async run({ login }) {
      const [alice, stranger] = await Promise.all([login(0), login(1)]);
      await mustAnnounce(alice, alice.bare, publishOptions);
      const key = randomBytes(33).toString("base64");
      const devices = xml("list", axolotl, xml("device", { id: "4711" }));
      await publish(alice, deviceList, devices, { access: "open" });
      const keys = xml("bundle", axolotl, xml("identityKey", {}, key));
      await publish(alice, bundle, keys, { access: "open" });
      const list = (await itemsOf(stranger, deviceList, alice.bare))[0];
      must(list?.toString().includes("4711"), "nobody else sees the list of devices");
      const found = (await itemsOf(stranger, bundle, alice.bare))[0];
      must(found?.toString().includes(key), "nobody else sees the keys");
    },
  },
  {
    name: "PEP Native Bookmarks",
    spec: "XEP-0402",
    suites: ["informational"],
    option: "prosody:modules with bookmarks",
    expect: all(byModule("pep"), byModule("bookmarks")),
    accounts: 2,
    async run({ login }) {
      const [phone, desktop, stranger] = await Promise.all([login(0), login(0), login(1)]);
      await mustAnnounce(phone, phone.bare, `${bookmarks}#compat`);
      await publishBookmark(phone, "room@rooms.example");
      const [item] = await itemsOf(desktop, bookmarks);
      must(item?.attrs.id === "room@rooms.example", "the other device does not see the bookmark");
      const why = await refusal(itemsOf(stranger, bookmarks, phone.bare), "everybody sees the bookmarks");
      must(why !== "internal-server-error", `a stranger is answered ${why}`);
    },
  },
  {
    name: "Bookmarks Conversion",
    spec: "XEP-0411",
    suites: ["current"],
    option: "prosody:modules with bookmarks",
    expect: all(byModule("pep"), byModule("bookmarks")),
    async run({ login }) {
      const session = await login();
      await mustAnnounce(session, session.bare, "urn:xmpp:bookmarks-conversion:0");
      await publishBookmark(session, "new@rooms.example");
      const old = await session.get(
        undefined,
        xml("query", "jabber:iq:private", xml("storage", "storage:bookmarks")),
      );
      must(
        old.toString().includes("new@rooms.example"),
        "an old client does not see a new client's bookmark",
      );
      const conference = xml("conference", { jid: "old@rooms.example", name: "Old", autojoin: "true" });
      const storage = xml("storage", "storage:bookmarks", conference);
      await session.set(undefined, xml("query", "jabber:iq:private", storage));
      const items = await itemsOf(session, bookmarks);
      must(
        items.some(({ attrs }) => attrs.id === "old@rooms.example"),
        "a new client does not see an old client's bookmark",
      );
    },
  },
  {
    name: "Private XML Storage",
    spec: "XEP-0049",
    option: "prosody:modules with private",
    expect: byModule("private"),
    async run({ login }) {
      const session = await login();
      const query = (...content: Element[]) =>
        xml("query", "jabber:iq:private", xml("notes", "verify:notes", ...content));
      await session.set(undefined, query(xml("note", {}, "remember")));
      const answer = await session.get(undefined, query());
      must(answer.toString().includes("remember"), "what was stored does not come back");
    },
  },
  {
    name: "vcard-temp",
    spec: "XEP-0054",
    option: "prosody:modules with vcard_legacy",
    expect: byModule("vcard_legacy"),
    accounts: 2,
    async run({ login }) {
      const [alice, bob] = await Promise.all([login(0), login(1)]);
      await alice.set(undefined, xml("vCard", "vcard-temp", xml("FN", {}, "Alice of Verify")));
      await bob.available();
      const own = await alice.get(undefined, xml("vCard", "vcard-temp"));
      must(
        own.getChild("vCard")?.getChildText("FN") === "Alice of Verify",
        "what was stored does not come back",
      );
    },
  },
  {
    name: "vCard4 Over XMPP",
    spec: "XEP-0292",
    option: "prosody:modules with vcard4",
    expect: byModule("vcard4"),
    accounts: 1,
    async run({ login }) {
      const alice = await login();
      const vcard = "urn:ietf:params:xml:ns:vcard-4.0";
      await alice.set(undefined, xml("vcard", vcard, xml("fn", {}, xml("text", {}, "Alice of Verify"))));
      const answer = await alice.get(undefined, xml("vcard", vcard));
      must(answer.toString().includes("Alice of Verify"), "what was stored does not come back");
    },
  },
  {
    name: "User Avatar to vCard-Based Avatars Conversion",
    spec: "XEP-0398",
    suites: ["current"],
    option: "prosody:modules with vcard_legacy",
    expect: all(byModule("pep"), byModule("vcard_legacy")),
    accounts: 2,
    async run({ login }) {
      const [alice, bob] = await Promise.all([login(0), login(1)]);
      await mustAnnounce(alice, alice.bare, "urn:xmpp:pep-vcard-conversion:0");
      await Promise.all([alice.available(), bob.available()]);
      await befriend(alice, bob);
      const image = randomBytes(300);
      const hash = createHash("sha1").update(image).digest("hex");
      const photo = xml(
        "PHOTO",
        {},
        xml("TYPE", {}, "image/png"),
        xml("BINVAL", {}, image.toString("base64")),
      );
      await alice.set(undefined, xml("vCard", "vcard-temp", photo));
      const [metadata] = await itemsOf(bob, "urn:xmpp:avatar:metadata", alice.bare);
      must(metadata?.attrs.id === hash, "an avatar of the old kind does not become one of the new kind");
      const data = (await itemsOf(bob, "urn:xmpp:avatar:data", alice.bare)).find(
        ({ attrs }) => attrs.id === hash,
      );
      must(data?.getChildText("data") === image.toString("base64"), "the image is another");
      await alice.send(xml("presence"));
      await bob.next("presence with the avatar's hash for old clients", (stanza) => {
        const update = stanza.getChild("x", "vcard-temp:x:update");
        return stanza.attrs.from === alice.jid && update?.getChildText("photo") === hash;
      });
    },
  },
];

function publishBookmark(session: Parameters<typeof publish>[0], jid: string): Promise<Element> {
  return publish(
    session,
    bookmarks,
    xml("conference", { xmlns: bookmarks, name: "A room", autojoin: "true" }),
    {
      id: jid,
      access: "whitelist",
      more: {
        "pubsub#persist_items": "true",
        "pubsub#max_items": "max",
        "pubsub#send_last_published_item": "never",
      },
    },
  );
}

/** Has a session tell that it wants some events (XEP-0115): the capabilities for its presence, and the answer to who asks. */
function interestedIn(session: Parameters<typeof publish>[0], feature: string): Element {
  const disco = "http://jabber.org/protocol/disco#info";
  const ver = createHash("sha1").update(`client/pc//verify<${disco}<${feature}<`).digest("base64");
  session.client.iqCallee.get(disco, "query", ({ stanza }) => {
    const { node } = stanza.getChild("query")?.attrs ?? fail("a question without a query");
    return xml(
      "query",
      { xmlns: disco, node },
      xml("identity", { category: "client", type: "pc", name: "verify" }),
      xml("feature", { var: disco }),
      xml("feature", { var: feature }),
    );
  });
  return xml("c", { xmlns: "http://jabber.org/protocol/caps", hash: "sha-1", node: "urn:verify", ver });
}
