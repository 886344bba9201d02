import type { RecordSet, RecordType } from "../../dns/record-set";
import { type NameServer, Taken } from "../dns/name-server";
import { nameServers } from "../dns/pool";
import type { DnsRecordSetInputs, DnsRecordSetState } from "../dns-record-set";
import type { Handler } from "../handler";

/**
 * Types of which the stack wants all records of a name to be its own: a client that finds two takes either. To the
 * others somebody else may add, such as an authority of the web server's certificates.
 */
const exclusive: readonly RecordType[] = ["A", "AAAA", "CNAME", "SRV"];

/** The records of a name and type, by dynamic updates (RFC 2136). */
export const dnsRecordSetHandler: Handler<DnsRecordSetInputs, DnsRecordSetState, NameServer> = {
  inputs: ["name", "type", "ttl", "values"],
  replaceOn: ["name", "type"],
  use: (server, operation) => nameServers.use(server, operation),

  id: ({ name, type }) => `${name} ${type}`,

  async create(nameServer, inputs) {
    const { name, type, values } = inputs;
    const [zone, answered] = await Promise.all([nameServer.zoneOf(name), nameServer.read(name, type)]);
    // What a wildcard answers is nobody's record of this name: neither foreign, nor one to rely on.
    const found = answered && (await nameServer.has(zone, name, type)) ? answered : undefined;
    const there = found?.values ?? [];
    const foreign = exclusive.includes(type) ? without(there, values) : [];
    if (foreign.length > 0 && !nameServer.takeOver)
      throw new Error(
        `name server ${nameServer.name}: ${name} already has ${type} ${foreign.join(" and ")}, which this stack did not make: clients would take either. Remove it there, or set prosody:dns.takeOver to true to have it replaced.`,
      );
    await write(nameServer, zone, inputs, found, foreign);
    return { ...inputs, zone, own: values, adopted: values.filter((value) => there.includes(value)) };
  },

  async read(nameServer, state) {
    const found = await nameServer.read(state.name, state.type);
    const isMatter = (value: string) => exclusive.includes(state.type) || state.own.includes(value);
    const values = found?.values.filter(isMatter) ?? [];
    return values.length > 0 ? { ...state, ttl: found!.ttl, values } : undefined;
  },

  async update(nameServer, { name, type, zone, own, adopted }, inputs) {
    const { values } = inputs;
    const found = await nameServer.read(name, type);
    const obsolete = exclusive.includes(type) ? without(found?.values ?? [], values) : without(own, values);
    await write(nameServer, zone, inputs, found, obsolete);
    return { ...inputs, zone, own: values, adopted: adopted.filter((value) => values.includes(value)) };
  },

  async delete(nameServer, { name, type, ttl, zone, own, adopted }) {
    const remove = without(own, adopted);
    if (remove.length > 0) await nameServer.change(zone, { name, type, ttl, remove, add: [] });
  },
};

/** Makes the record set what is wanted, in one step; does nothing where it is. */
async function write(
  nameServer: NameServer,
  zone: string,
  { name, type, ttl, values }: DnsRecordSetInputs,
  found: Pick<RecordSet, "ttl" | "values"> | undefined,
  obsolete: readonly string[],
): Promise<void> {
  const there = found?.values ?? [];
  // All records of a set have one lifetime: for another one, those that are there are written anew.
  const isRight = found?.ttl === ttl;
  const remove = [...obsolete, ...(isRight ? [] : values.filter((value) => there.includes(value)))];
  const add = isRight ? without(values, there) : values;
  if (remove.length === 0 && add.length === 0) return;
  const change = { name, type, ttl, remove, add };
  if (type !== "CNAME") {
    const overAlias = nameServer.takeOver && exclusive.includes(type);
    return nameServer
      .change(zone, { ...change, ...(overAlias ? { overAlias } : { unless: "alias" }) })
      .catch(explained);
  }
  const put = () => nameServer.change(zone, { ...change, unless: found ? undefined : "anything" });
  await put().catch((error) => {
    if (!(error instanceof Taken) || !nameServer.takeOver) return explained(error);
    return insteadOfAddresses(nameServer, zone, name, put).catch(explained);
  });

  function explained(error: Error): never {
    if (!(error instanceof Taken)) throw error;
    const { name: server, takeOver } = nameServer;
    const [others, advice] = takeOver
      ? [" than A and AAAA", ""]
      : ["", "set prosody:dns.takeOver to true to have addresses and aliases replaced; "];
    // The engine deletes last: what the stack itself has made under the name is still there, too.
    throw new Error(
      type === "CNAME"
        ? `name server ${server}: ${name} already has records of other types${others}, beside which no alias (CNAME) can stand. Remove them there, even if this stack made them, and run pulumi up again; ${advice}or give the service another subdomain.`
        : `name server ${server}: ${name} is an alias (CNAME) there, beside which no ${type} record can stand. Remove it there, even if this stack made it, and run pulumi up again; ${advice}or choose another name.`,
    );
  }
}

/**
 * Has an alias take the place of a name's addresses. A server that still has something else there would keep the alias
 * out in silence, which no prerequisite can tell beforehand: so the addresses go first, and come back then.
 */
async function insteadOfAddresses(
  nameServer: NameServer,
  zone: string,
  name: string,
  put: () => Promise<void>,
): Promise<void> {
  const types = ["A", "AAAA"] as const;
  const found = (await Promise.all(types.map((type) => nameServer.read(name, type)))).flatMap((set, index) =>
    set ? [{ name, type: types[index]!, ...set }] : [],
  );
  const change = (how: "add" | "remove") =>
    Promise.all(
      found.map(({ values, ...set }) =>
        nameServer.change(zone, { ...set, remove: [], add: [], [how]: values }),
      ),
    );
  await change("remove");
  try {
    await put();
  } catch (error) {
    await change("add");
    throw error;
  }
}

function without(values: readonly string[], others: readonly string[]): string[] {
  return values.filter((value) => !others.includes(value));
}
