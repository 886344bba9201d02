import type { ServerChannel } from "ssh2";
import { Secret } from "../../../../config/secret";
import { connected, locally, says } from "../../../helpers/ssh-host";
import { end, failure } from "../../../helpers/ssh-server";

jest.setTimeout(30_000); // a busy machine is no failure

const doing = "counting";

describe("becoming root", () => {
  test("a user that is not root needs sudo", async () => {
    await expect(connected({ probe: "1000\n/bin/sh\n" }, { user: "admin" })).rejects.toThrow(
      /^can't connect to admin@127\.0\.0\.1:\d+: admin is not root\. Set `sudo: true`, or log in as root\. Until/,
    );
  });

  test("a password goes to sudo by standard input, and nowhere else", async () => {
    const inputs: string[] = [];
    const { host, server } = await connected(
      {
        probe: "1000\n/bin/sh\nsudo: a password is required\n1\n",
        exec: (_command, channel) => {
          let input = "";
          channel.on("data", (data: Buffer) => {
            input += data;
          });
          channel.on("end", () => {
            inputs.push(input);
            end(channel, 0);
          });
        },
      },
      { user: "admin", sudo: { password: new Secret("open sesame") } },
    );
    await host.run("cat", { doing, input: "data\n" });
    expect(inputs).toEqual(["open sesame\n", "open sesame\nprosody-pulumi: input follows\ndata\n"]);
    expect(server.commands.join()).not.toContain("open sesame");
  });

  test("sudo that refuses later on is told as such, without the password", async () => {
    const { host } = await connected(
      {
        probe: "1000\n/bin/sh\nsudo: a password is required\n1\n",
        exec: (command, channel) =>
          says(
            "",
            / sh -c /.test(command) ? 1 : 0,
            "Sorry, try again.\nsudo: 2 incorrect password attempts\n",
          )(command, channel),
      },
      { user: "admin", sudo: { password: new Secret("open sesame") } },
    );
    expect(await failure(host.run("cat", { doing, input: "data\n" }))).toBe(
      "xmpp.example.com: counting failed: sudo refused the password of admin. Set the right one as `sudo.password`.\ncommand: cat",
    );
  });

  test.each([
    ["with", "\n"],
    ["without", "LDAP Password: "],
  ])(
    "what login scripts and sudo print before a script is not taken for what it says, %s the end of a line",
    async (_, end) => {
      const remark = "sudo: unable to resolve host cloud: Name or service not known\n";
      const before = `/root/.bashrc: line 1: syntax error\n${remark}We trust you have received the usual lecture.${end}`;
      const probe = `1000\n/bin/sh\n${remark}0\n`;
      const exec = (command: string, channel: ServerChannel) => {
        channel.stderr.write(before);
        locally(command.replace(/^.*? -- /, ""), channel);
      };
      const { host } = await connected({ probe, exec }, { user: "admin", sudo: {} });
      expect(await failure(host.run("echo sudo: no such file >&2; exit 1", { doing }))).toBe(
        "xmpp.example.com: counting failed with exit code 1.\ncommand: echo sudo: no such file >&2; exit 1\nsudo: no such file",
      );
      expect(await host.run("echo why >&2", { doing })).toMatchObject({ stderr: "why\n" });
    },
  );
});
