import type * as pulumi from "@pulumi/pulumi";
import type { RecordType } from "../dns/record-set";
import type { Common } from "./handler";
import { type InputsOf, ProsodyResource } from "./resource";

/** All records of one name and type on a name server that takes dynamic updates. */
export interface DnsRecordSetInputs extends Common {
  /** Absolute, without the dot at the end. */
  name: string;
  type: RecordType;
  /** Seconds. */
  ttl: number;
  /** In canonical spelling, see `RecordSet`, and sorted. */
  values: string[];
}

export interface DnsRecordSetState extends DnsRecordSetInputs {
  /** The zone that the name lies in. */
  zone: string;
  /** What the stack wants there: of other values it knows that they are somebody else's. */
  own: string[];
  /** Those of them that were there before the stack, so that a destroy leaves them. */
  adopted: string[];
}

/** Keeps the records of a name and type. A destroy takes away what the stack made, and nothing else. */
export class DnsRecordSet extends ProsodyResource<DnsRecordSetInputs> {
  declare readonly zone: pulumi.Output<string>;
  declare readonly own: pulumi.Output<string[]>;
  declare readonly adopted: pulumi.Output<string[]>;

  constructor(name: string, args: InputsOf<DnsRecordSetInputs>, options?: pulumi.CustomResourceOptions) {
    super("DnsRecordSet", name, args, ["zone", "own", "adopted"], [], options);
  }
}
