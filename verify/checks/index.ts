import type { Check } from "../check";
import { accountChecks } from "./accounts";
import { callChecks } from "./calls";
import { connectionChecks } from "./connection";
import { federationChecks } from "./federation";
import { fileChecks } from "./files";
import { messageChecks } from "./messages";
import { profileChecks } from "./profiles";
import { roomChecks } from "./rooms";
import { smallChecks } from "./small";
import { webChecks } from "./web";

/** All that is tried, in the order of the report. */
export const checks: readonly Check[] = [
  ...connectionChecks,
  ...messageChecks,
  ...profileChecks,
  ...roomChecks,
  ...fileChecks,
  ...callChecks,
  ...webChecks,
  ...accountChecks,
  ...smallChecks,
  ...federationChecks,
];
