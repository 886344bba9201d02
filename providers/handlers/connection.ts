import type { ConnectionInputs, ConnectionState } from "../connection";
import type { Handler } from "../handler";
import type { Host } from "../host";

/** The way to a server's host. */
export const connectionHandler: Handler<ConnectionInputs, ConnectionState> = {
  inputs: ["reachable"],

  id: ({ server }) => server,

  async create(host, inputs) {
    await reach(host);
    return inputs;
  },

  async read(host, state) {
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
  await host.run(":", { doing: "becoming root" });
}
