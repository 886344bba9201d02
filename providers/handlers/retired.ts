import type { Common, Handler } from "../handler";

/**
 * Kinds that are no more: another one has adopted what they kept. They leave the state of a stack that has them, and
 * the host stays as it is.
 */
export const retiredHandler: Handler<Common, Common> = {
  inputs: [],
  id: ({ server }) => server,
  create: async (_host, inputs) => inputs,
  read: async () => undefined,
  update: async (_host, _state, inputs) => inputs,
  delete: async () => undefined,
};
