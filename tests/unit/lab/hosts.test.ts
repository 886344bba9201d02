import { checkName } from "../../../lab";
import { withKey } from "../../../lab/keys";
import { candidates } from "../../../lab/network";
import type * as Paths from "../../../lab/paths";

test("the host dev has number 1, others the lowest free one from 2", () => {
  expect(candidates("dev", [])).toEqual([1]);
  expect(candidates("dev", [1])).toEqual([]);
  expect(candidates("other", [1, 2, 4]).slice(0, 3)).toEqual([3, 5, 6]);
  expect(candidates("other", []).at(-1)).toBe(254);
});

test("known_hosts keeps one key an address", () => {
  const known = withKey(withKey("", "10.77.1.2", "ssh-ed25519 A"), "10.77.1.20", "ssh-ed25519 B");
  expect(known).toBe("10.77.1.2 ssh-ed25519 A\n10.77.1.20 ssh-ed25519 B\n");
  expect(withKey(known, "10.77.1.2", "ssh-ed25519 C")).toBe(
    "10.77.1.20 ssh-ed25519 B\n10.77.1.2 ssh-ed25519 C\n",
  );
});

test.each(["", "-x", "Dev", "../dev", "a b", "a/b", "1", `a${"b".repeat(40)}`])(
  "%j is no host name",
  (name) => {
    expect(() => checkName(name)).toThrow(`Host name ${JSON.stringify(name)}: it starts with a letter`);
  },
);

test.each(["dev", "a", "test-server-2", `a${"b".repeat(39)}`])("%j is a host name", (name) => {
  expect(() => checkName(name)).not.toThrow();
});

describe("the lab's directory", () => {
  const before = process.env.PROSODY_LAB_DIR;
  afterEach(() => {
    if (before === undefined) delete process.env.PROSODY_LAB_DIR;
    else process.env.PROSODY_LAB_DIR = before;
  });

  /** As in a process that starts with this setting. */
  function started(directory: string): typeof Paths {
    process.env.PROSODY_LAB_DIR = directory;
    jest.resetModules();
    return require("../../../lab/paths");
  }

  test.each(["/tmp/my lab", "/tmp/a,b", "/tmp/a:b"])(
    "may not be %s, which mount options can't carry",
    (directory) => {
      expect(started(directory).labDirectory).toThrow(
        `The lab's directory ${JSON.stringify(directory)} may contain`,
      );
    },
  );

  test("may be chosen, and stays what it is", () => {
    const { labDirectory } = started("/srv/lab-1");
    expect(labDirectory()).toBe("/srv/lab-1");
    delete process.env.PROSODY_LAB_DIR;
    expect(labDirectory()).toBe("/srv/lab-1");
  });
});
