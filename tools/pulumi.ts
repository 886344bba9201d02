import { pulumiOnTerminal } from "./engine";

/** `npm run pulumi -- ARGUMENT...`: Pulumi's own command line on the stack `dev` (or PULUMI_STACK). */
export function main(args: string[]): Promise<number> {
  return pulumiOnTerminal(args);
}
