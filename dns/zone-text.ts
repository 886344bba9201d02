import type { RecordSet } from "./record-set";

/** Left to whoever keeps the zone. */
const automatic = 1;

/**
 * Records of a domain as a fragment of a zone file (RFC 1035, 5.1), to be put into the zone by whoever keeps it.
 * Owners are relative to the domain, targets absolute.
 */
export function zoneText(domain: string, sets: readonly RecordSet[]): string {
  const rows = sets.flatMap(({ name, type, ttl, values }) =>
    values.map((value) => [relative(name, domain), ttl === automatic ? "" : String(ttl), "IN", type, value]),
  );
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join(" ")
      .trimEnd(),
  );
  return [`$ORIGIN ${domain}.`, ...lines, ""].join("\n");
}

function relative(name: string, domain: string): string {
  return name === domain ? "@" : name.slice(0, -domain.length - 1);
}
