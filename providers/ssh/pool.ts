import type { Host } from "../host";

/** The hosts of this run, each with its one connection. */
export const hosts = {
  configure(_config: { get(key: string): string | undefined }): void {},
  async get(name: string): Promise<Host> {
    throw new Error(`no connection to ${name} yet`);
  },
};
