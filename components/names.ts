import * as pulumi from "@pulumi/pulumi";
import { defaultServer } from "../config/settings";

/**
 * Name of a resource that every server has one of, such as the service. The only server of a stack needs no
 * prefix, so that its host can get another address without a change of names.
 */
export function perServer(server: string, object: string): string {
  return server === defaultServer ? object : `${server}/${object}`;
}

/** The stack, by which no other is called in the same backend. */
export const stackName = () => [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
