import type { Model, Running } from "../../../providers/configuration/model";
import type { Survey } from "../../../providers/configuration/survey";
import { isLive } from "../../../providers/handlers/external-component";

/** What a host says where Prosody's files have this component. */
function survey(name: string, now?: Partial<Running>): Survey {
  const host = { component: "component", modules: ["component"] };
  const model: Model = {
    version: "13.0.1",
    hosts: { [name]: host },
    options: {},
    reads: {},
    ports: [],
    logs: [],
    data: "/var/lib/prosody",
    problems: [],
    warnings: [],
  };
  return {
    found: { files: {}, cutOff: undefined, isCopyLeft: false, known: true, service: "active", model },
    now: now && { version: "13.0.1", pid: 1, options: {}, hosts: {}, services: {}, ...now },
  };
}

const served = (name: string): Partial<Running> => ({
  hosts: { [name]: { type: "component", modules: { component: { needs: [] } }, enabled: [] } },
});

test.each([
  ["irc.example.test", "irc.example.test"],
  ["irc.xn--bcher-kva.test", "irc.bücher.test"], // Prosody has it in Unicode
])("%s is live where the running server has it, and only there", (component, name) => {
  expect(isLive(survey(name, served(name)), { component })).toBe(true);
  expect(isLive(survey(name, {}), { component })).toBe(false);
  expect(isLive(survey("other.test", {}), { component })).toBe(true); // the main file does not have it yet
  expect(isLive(survey(name), { component })).toBe(true); // who does not answer proves nothing
});
