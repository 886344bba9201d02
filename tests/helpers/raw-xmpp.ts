export { RawXmpp } from "../../bench/raw-xmpp";
