import { randomBytes } from "node:crypto";
import { coturn } from "../facts/coturn";
import type { Handler } from "../handler";
import { readFiles } from "../ssh/files";
import type { TurnSecretInputs, TurnSecretState } from "../turn-secret";
import { isSound, secretOf } from "../turn-text";

/** The secret shared by Prosody and coturn. */
export const turnSecretHandler: Handler<TurnSecretInputs, TurnSecretState> = {
  inputs: [],

  id: () => "turn",

  /** Takes over what coturn has, so that an up after the loss of a state changes nothing; but for a secret that is none. */
  async create(host, inputs) {
    const { config } = await host.fact(coturn);
    const files = await readFiles(host, [config]);
    const known = secretOf(files.get(config)?.content ?? "") ?? "";
    return { ...inputs, secret: isSound(known) ? known : randomBytes(32).toString("base64url") };
  },

  /** It is nowhere on the host but in files that are resources of their own. */
  read: async (_host, state) => state,

  update: async (_host, { secret }, inputs) => ({ ...inputs, secret }),

  async delete() {},
};
