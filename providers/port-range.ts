/** Ports of one protocol, as firewalld and semanage write them: `5269/tcp`, `49152-65535/udp`. */
interface PortRange {
  first: number;
  last: number;
  protocol: string;
}

/** `undefined` for what is no port or range from 1 to 65535. */
export function parsePortRange(text: string): PortRange | undefined {
  const [, from, to = from, protocol] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?\/([a-z]+)$/.exec(text) ?? [];
  const range = { first: Number(from), last: Number(to), protocol: protocol! };
  return range.first <= range.last && range.last <= 65535 ? range : undefined;
}

/** Whether every port of the one range is in the other. */
export function covers(outer: PortRange, inner: PortRange): boolean {
  return outer.protocol === inner.protocol && outer.first <= inner.first && inner.last <= outer.last;
}
