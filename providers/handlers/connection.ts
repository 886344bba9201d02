import type { ConnectionInputs, ConnectionState } from "../connection";
import { firewalld } from "../facts/firewalld";
import { portLabels } from "../facts/selinux";
import type { Handler } from "../handler";
import type { Host } from "../host";

/**
 * What takes longest to read. The engine asks for the objects that need it last, in the order of their dependencies;
 * begun with the log-in, it is in the first remote command. Where a host has neither tool, this is done in a moment.
 */
const longest = [firewalld(), portLabels];

/** The way to a server's host. */
export const connectionHandler: Handler<ConnectionInputs, ConnectionState> = {
  inputs: ["reachable"],

  id: ({ server }) => server,

  async create(host, inputs) {
    await reach(host);
    return inputs;
  },

  async read(host, state) {
    for (const fact of longest) host.fact<unknown>(fact).catch(() => undefined); // whoever needs it gets the error
    await reach(host);
    return { ...state, reachable: true };
  },

  unreachable: (state) => ({ ...state, reachable: false }),

  async update(host, _state, inputs) {
    await reach(host);
    return inputs;
  },

  async delete() {},
};

async function reach(host: Host): Promise<void> {
  await host.run(":", { doing: "becoming root", together: true });
}
