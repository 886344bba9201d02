export { RawXmpp } from "../../tools/raw-xmpp";
