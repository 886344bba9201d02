import { readFileSync } from "node:fs";
import { renderSVG } from "uqr";
import { login } from "../../tools/login";
import { fetchHttps } from "../../verify/net/https";
import { namesAt } from "../../verify/net/names";
import { openBrowser, screenshot, trace, visitor } from "../helpers/browser";
import { hostConfig } from "../helpers/host";
import { allReleases, type Certificate, certificate, filesOf, type LabHost, lab } from "../helpers/lab";
import { Stack, secret } from "../helpers/stack";
import { alice, Client } from "../helpers/users";

const clean = { code: 0, text: expect.any(String), rows: [] };
const done = { code: 0, text: expect.any(String) };

describe.each(allReleases)("web pages on %s", (release) => {
  let host: LabHost;
  let stack: Stack;
  let tls: Certificate;

  const server = () => ({ address: host.address, port: 5222, caFile: tls.caFile });
  const network = () => ({ names: namesAt(host.address, {}), ca: readFileSync(tls.caFile, "utf8") });
  const get = async (url: string) => {
    const { status, headers, body } = await fetchHttps(network(), "GET", url);
    return { status, headers, text: body.toString() };
  };
  const post = async (url: string, fields: Record<string, string>) => {
    const type = { "content-type": "application/x-www-form-urlencoded" };
    const form = Buffer.from(new URLSearchParams(fields).toString());
    const { status, body } = await fetchHttps(network(), "POST", url, type, form);
    const text = body.toString();
    return { status, problem: /<p class="problem"[^>]*>([^<]*)/.exec(text)?.[1], text };
  };
  const fill = (name: string, password: string, again = password) => ({ name, password, again });
  const invite = async (...more: string[]) => {
    const { code, stdout, stderr } = await stack.capture("invite", "--link", ...more);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  /** Of an invitation that is made in the server by a function of mod_invites. */
  const made = (call: string) => {
    const code = `return require"core.modulemanager".get_module("example.test","invites").${call}.landing_page`;
    const shell = `prosodyctl shell --quiet <<'END'\n> ${code}\nEND`;
    return host.exec(shell).then((text) => /https:\S+/.exec(text)![0]);
  };
  const canLogIn = async (jid: string, password: string) =>
    "jid" in (await login(server(), { jid, password }));

  beforeAll(async () => {
    host = await lab(`web-${release}`, { release });
    tls = await certificate("example.test");
    stack = await Stack.create({
      host: hostConfig(host),
      domains: { "example.test": filesOf(tls) },
      jids: { [alice.jid]: secret(alice.password) },
      admins: [alice.jid],
      turn: false,
    });
    expect(await stack.up()).toEqual(done);
  }, 300_000);

  afterAll(() => {
    stack?.remove();
  });

  test("an invitation's link leads to a page that explains it, with nothing of another server", async () => {
    const link = await invite("dave@example.test");
    const token = /^https:\/\/example\.test:5281\/invite\/\?([\w-]+)$/.exec(link)![1];
    const { status, headers, text } = await get(link);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
    expect(headers).not.toHaveProperty("access-control-allow-origin");
    expect(text).toContain("the account <strong>dave@example.test</strong>");
    expect(text).toContain(`href="xmpp:dave@example.test?register;preauth=${token}"`);
    const until = new Date(/datetime="([^"]+)"/.exec(text)![1]!).getTime() - Date.now();
    expect(Math.round(until / 86_400_000)).toBe(7);
    const parts = [...text.matchAll(/<(?:script|link|img|iframe)[^>]* (?:src|href)="([^"]*)"/g)].map(
      ([, part]) => part!,
    );
    expect(parts).toEqual(["data:,", "page.css", "page.mjs"]);
    for (const [part, type] of [
      ["page.css", "text/css"],
      ["page.mjs", "text/javascript"],
      ["uqr.mjs", "text/javascript"],
    ] as const)
      expect(await get(new URL(part, link).href)).toMatchObject({
        status: 200,
        headers: { "content-type": `${type}; charset=utf-8` },
      });
  }, 60_000);

  test("one that is not known, or has expired, says so", async () => {
    const invitation = "https://example.test:5281/invite/";
    for (const link of [invitation, `${invitation}?AAAAAAAAAAAAAAAA`])
      expect(await get(link)).toMatchObject({
        status: 404,
        text: expect.stringMatching(/can’t be used<\/h1>/),
      });
    const expired = await made("create_account(nil, nil, -60)");
    expect(await get(expired)).toMatchObject({
      status: 410,
      text: expect.stringMatching(/This invitation has expired<\/h1>/),
    });
    expect((await post(expired, fill("eve", "correct horse"))).status).toBe(410);
    expect(await canLogIn("eve@example.test", "correct horse")).toBe(false);
  }, 60_000);

  test("the form tells what is wrong, keeps the name, and leaves the invitation as it was", async () => {
    const link = await invite();
    const good = "correct horse";
    for (const [fields, status, problem] of [
      [fill("", good), 422, /^Choose a name without spaces/],
      [fill("two words", good), 422, /^Choose a name without spaces/],
      [fill("erin", "short"), 422, /^The password is too short: it needs at least 8 characters\.$/],
      [fill("erin", "my name is ERIN"), 422, /^The password must not contain the name\.$/],
      [fill("erin", "correct\u0000horse"), 422, /^The password has characters that can’t be used/],
      [fill("erin", good, "another horse"), 422, /^The two passwords differ/],
      [fill("Alice", good), 409, /^Somebody has the name alice already/],
      [fill('"><script>', good), 422, /^Choose a name/],
    ] as const) {
      const answer = await post(link, fields);
      expect({ fields, ...answer }).toMatchObject({ status, problem: expect.stringMatching(problem) });
      expect(answer.text).not.toContain("<script>");
    }
    expect((await post(link, fill("Alice", good))).text).toContain('value="Alice"');
    expect((await get(link)).status).toBe(200);
    expect(await canLogIn("erin@example.test", good)).toBe(false);
  }, 60_000);

  test("the form makes the account, once; an invitation for a name makes no other", async () => {
    const link = await invite("--days", "1");
    const { status, text } = await post(link, fill("Erin@example.test", "correct horse"));
    expect({ status, text }).toEqual({
      status: 200,
      text: expect.stringMatching(/Your account is ready<\/h1>/),
    });
    expect(text).not.toContain("correct horse");
    expect(await canLogIn("erin@example.test", "correct horse")).toBe(true);
    expect((await get(link)).status).toBe(404);
    expect((await post(link, fill("frank", "correct horse"))).status).toBe(404);

    const hers = await invite("grace@example.test");
    expect((await post(hers, fill("mallory", "correct horse"))).status).toBe(200);
    expect(await canLogIn("mallory@example.test", "correct horse")).toBe(false);
    expect(await canLogIn("grace@example.test", "correct horse")).toBe(true);
  }, 60_000);

  test("an invitation to set a new password does that, and for that account alone", async () => {
    const link = await made('create_account_reset("grace")');
    expect((await get(link)).text).toMatch(/A new password for grace@example\.test<\/h1>/);
    expect((await post(link, fill("erin", "battery staple"))).text).toMatch(/Your new password is set<\/h1>/);
    expect(await canLogIn("grace@example.test", "battery staple")).toBe(true);
    expect(await canLogIn("erin@example.test", "correct horse")).toBe(true);
    expect((await get(link)).status).toBe(404);
  }, 60_000);

  test("an app's own command for invitations answers with the page; who comes by it is a contact", async () => {
    const client = await Client.open(server(), alice.jid, alice.password);
    client.send("<presence/>");
    const command =
      '<command xmlns="http://jabber.org/protocol/commands" action="execute" node="urn:xmpp:invite#invite"/>';
    const answer = await client.must("set", "example.test", command);
    const link = /https:\/\/example\.test:5281\/invite\/\?[\w-]+/.exec(answer)![0];
    expect((await get(link)).text).toMatch(/alice@example\.test invites you<\/h1>/);
    expect((await post(link, fill("heidi", "correct horse"))).status).toBe(200);
    const roster = await client.must("get", undefined, '<query xmlns="jabber:iq:roster"/>');
    expect(roster).toMatch(/<item jid="heidi@example\.test" subscription="both"/);
    await client.close();
  }, 60_000);

  test("what was done to the page's files shows, and up repairs it", async () => {
    const file = "/usr/local/lib/prosody-pulumi/own-*/mod_invitation_page/page.html";
    await host.exec(`sed -i 's/invite/inform/' ${file}`);
    const seen = await stack.drift();
    expect(seen.rows).toEqual(["CommunityModules own-modules update"]);
    expect(seen.text).toContain("mod_invitation_page/page.html was edited");
    expect(await stack.up()).toEqual(done);
    expect(await host.exec(`grep -c inform ${file} || true`)).toBe("0\n");
    expect(await stack.drift()).toEqual(clean);
  }, 240_000);

  test("the web client is on the host, none of it in the state; other files show, and up repairs them", async () => {
    await stack.configure({ webClient: true, firewall: { https443: true } });
    expect(await stack.up()).toEqual(done);
    expect(await stack.drift()).toEqual(clean);
    expect((await stack.export()).length).toBeLessThan(500_000);

    const client = "https://example.test:5281/chat/";
    const { status, headers, text } = await get(client);
    expect({ status, policy: headers["content-security-policy"] }).toEqual({
      status: 200,
      policy:
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; connect-src 'self' https://upload.example.test:* wss://example.test:*; img-src 'self' https://upload.example.test:* data: blob:; media-src 'self' https://upload.example.test:* data: blob:; font-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    });
    for (const [part, type] of [
      [/ src="(.*converse\.min\.js)"/, "text/javascript; charset=utf-8"],
      [/ src="(client\.mjs)"/, "text/javascript; charset=utf-8"],
      [/ href="(.*converse\.min\.css)"/, "text/css; charset=utf-8"],
      [/ href="(.*favicon\.ico)"/, "image/x-icon"],
    ] as const) {
      const url = new URL(part.exec(text)![1]!, client).href;
      expect({ url, ...(await get(url)) }).toMatchObject({ status: 200, headers: { "content-type": type } });
    }

    const line = () =>
      stack.capture(
        "verify",
        "--address",
        host.address,
        "--ca",
        tls.caFile,
        "--only",
        "Client in the browser",
      );
    expect(await line()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/PASSED +\(https:.*\/chat\/\)/),
    });
    const directory = (await host.exec("echo /usr/local/lib/prosody-pulumi/converse.js-*")).trim();
    await host.exec(`mv ${directory}/dist/converse.min.js /root`);
    expect(await line()).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/FAILED +.*converse\.min\.js is answered 404/),
    });
    await host.exec(`mv /root/converse.min.js ${directory}/dist`);
    await host.exec(`cd ${directory}/dist && echo x >> converse.min.css && rm emoji.json && touch 'by hand'`);
    const seen = await stack.drift();
    expect(seen.rows).toEqual(["WebClient web-client update"]);
    for (const difference of ["converse.min.css was edited", "emoji.json is missing", "by hand was added"])
      expect(seen.text).toContain(`dist/${difference}`);
    expect(await stack.up()).toEqual(done);
    expect(await stack.drift()).toEqual(clean);
    expect(await host.exec("ls /var/backups/prosody-pulumi")).toMatch(/^web-client-\d+T\d+Z\.tar\.gz$/m);
  }, 400_000);

  test("in a browser an invited person makes the account, and talks to somebody; no other server is asked", async () => {
    const someone = await Client.open(server(), alice.jid, alice.password);
    someone.send("<presence/>");
    const link = await made('create_contact("alice", true)');
    expect(link).toMatch(/^https:\/\/example\.test\/invite\/\?/);
    const browser = await openBrowser(host.address, { 443: 5281 });
    try {
      const plain = await browser.newContext({ ...visitor, javaScriptEnabled: false });
      const page = await plain.newPage();
      await page.goto(link);
      expect(await page.locator("h1").textContent()).toBe("alice@example.test invites you");
      expect(await page.locator("figure").isVisible()).toBe(false);
      await plain.close();

      const context = await browser.newContext(visitor);
      const seen = trace(context);
      const tab = await context.newPage();
      await tab.setViewportSize({ width: 640, height: 900 });
      await tab.goto(link);
      expect(await tab.locator("figure img").getAttribute("src")).toBe(
        `data:image/svg+xml,${encodeURIComponent(renderSVG(link, { border: 2 }))}`,
      );
      await screenshot(tab, "invitation", true);
      await tab.getByLabel("Name").fill("ivan");
      await tab.getByLabel("Password", { exact: true }).fill("correct horse");
      await tab.getByLabel("Password again").fill("correct horse");
      await tab.getByRole("button", { name: "Make the account" }).click();
      await tab.getByText("ivan@example.test").waitFor();
      await tab.getByRole("link", { name: "Open the web client" }).click();
      await tab.setViewportSize(visitor.viewport!);
      await tab.locator('input[name="jid"]').fill("ivan");
      await tab.locator('input[name="password"]').fill("correct horse");
      await tab.keyboard.press("Enter");
      await tab.getByText(alice.jid).first().click();
      await tab.locator("textarea.chat-textarea").fill("Hello Alice, I am here.");
      await tab.keyboard.press("Enter");
      await someone.see(/<message [^>]*from="ivan@example\.test\/.*<body>Hello Alice, I am here\.<\/body>/);
      const say = (body: string) =>
        someone.send(`<message to="ivan@example.test" type="chat"><body>${body}</body></message>`);
      say("Welcome! That was easy.");
      await tab.getByText("Welcome! That was easy.").waitFor();
      await screenshot(tab, "web-client");
      say("https://picture.example/cat.png");
      await tab.getByRole("link", { name: "https://picture.example/cat.png" }).waitFor();
      expect(seen).toEqual({ hosts: new Set(["example.test"]), refused: [] });
    } finally {
      await browser.close();
      await someone.close();
    }
  }, 180_000);

  test("without webClient it goes", async () => {
    await stack.configure({ webClient: undefined });
    expect(await stack.up()).toEqual(done);
    expect((await get("https://example.test:5281/chat/")).status).toBe(404);
    expect((await host.exec("ls /usr/local/lib/prosody-pulumi")).trim()).toMatch(/^own-[0-9a-f]{8}$/);
    expect(await stack.drift()).toEqual(clean);
  }, 120_000);
});
