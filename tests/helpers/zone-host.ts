import { labKey, nameServer } from "../../lab/name-server";
import { type LabHost, lab } from "./lab";

const key = `${labKey.algorithm}:${labKey.name}:${labKey.secret}`;

/** A lab host whose BIND is the primary name server of example.test and sub.example.test, and takes updates. */
export class ZoneHost {
  private constructor(readonly machine: LabHost) {}

  /** @param name unique among the test files */
  static async make(name: string): Promise<ZoneHost> {
    const machine = await lab(name);
    await nameServer(machine, ["example.test", "sub.example.test"]);
    return new ZoneHost(machine);
  }

  /** The records of example.test but the zone's own, `name TTL type value`, as BIND itself tells. */
  async records(): Promise<string[]> {
    const all = await this.machine.exec(`dig +noall +answer +onesoa @localhost -y ${key} example.test AXFR`);
    return all
      .trim()
      .split("\n")
      .map((line) => line.split(/\s+/).filter((word) => word !== "IN"))
      .filter(([owner, , type]) => !["SOA", "NS"].includes(type!) && !owner!.startsWith("ns."))
      .filter(([owner, , type]) => !(owner === "example.test." && type === "A"))
      .map(([owner, ttl, type, ...value]) => `${owner!.replace(/\.$/, "")} ${ttl} ${type} ${value.join(" ")}`)
      .sort();
  }

  /** The zone's serial number, which grows with each update that changes something. */
  async serial(): Promise<number> {
    return Number((await this.machine.exec("dig +short @localhost example.test SOA")).split(" ")[2]);
  }

  /** Somebody else's hand on the zone: commands of nsupdate. */
  async byHand(...changes: string[]): Promise<void> {
    const lines = ["server localhost", ...changes, "send"].map((line) => `'${line}'`);
    await this.machine.exec(`printf '%s\\n' ${lines.join(" ")} | nsupdate -y ${key}`);
  }
}
