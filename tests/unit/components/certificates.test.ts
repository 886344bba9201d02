import { renderCertbotHook } from "../../../templates/certbot-hook";
import { server } from "../../fixtures/server";
import { kind, madeBefore, registeredServer } from "../../helpers/registered";

test("a certificate comes from files, an authority, or the host itself", async () => {
  const acme = {
    email: "a@x.test",
    server: "https://ca/dir",
    challenge: "http-01" as const,
    names: ["www.x.test"],
  };
  const turn = { ...server().turn, enabled: false };
  const objects = await registeredServer(
    server({
      domains: [
        { name: "x.test", acme },
        { name: "y.test", selfSigned: true },
      ],
      turn,
    }),
  );
  const services = (domain: string) => ["conference", "proxy", "upload"].map((label) => `${label}.${domain}`);
  const byType = (a: { type: string }, b: { type: string }) => a.type.localeCompare(b.type);
  const found = objects.filter(
    ({ type, name }) => /Certificate$/.test(type) || (name === "certbot" && !type.includes("Firewall")),
  );
  const expected = [
    {
      type: kind("Package"),
      name: "certbot",
      inputs: { server: "prosody", package: "certbot", installed: true },
    },
    {
      type: kind("SelfSignedCertificate"),
      name: "y.test",
      inputs: {
        server: "prosody",
        domain: "y.test",
        names: [...services("y.test"), "y.test"].sort(),
        flaw: "",
      },
    },
    {
      type: kind("Service"),
      name: "certbot",
      inputs: { server: "prosody", unit: "certbot.timer", enabled: true, active: true },
    },
    {
      type: kind("AcmeCertificate"),
      name: "x.test",
      inputs: {
        server: "prosody",
        domain: "x.test",
        names: [...services("x.test"), "www.x.test", "x.test"].sort(),
        email: "a@x.test",
        directory: "https://ca/dir",
        ca: "",
        hook: renderCertbotHook("x.test"),
        deployed: true,
        overdue: "",
      },
    },
  ];
  expect(found.sort(byType)).toEqual(expected.sort(byType));
});

test("the firewall lets an authority in before it is asked for a certificate", async () => {
  const acme = { email: "a@x.test", server: "https://ca/dir", challenge: "http-01" as const, names: [] };
  const earlier = await madeBefore(server({ domains: [{ name: "x.test", acme }] }));
  expect(earlier("AcmeCertificate")).toEqual(
    expect.arrayContaining([`${kind("FirewallPorts")} certbot`, `${kind("Package")} certbot`]),
  );
});
