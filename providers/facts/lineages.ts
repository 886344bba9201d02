import { createHash, X509Certificate } from "node:crypto";
import { namesOf } from "../../config/certificates";
import type { Fact } from "../host";
import { pendingMark } from "../load-certificates";

/** What certbot calls a lineage: a certificate and its renewals. */
export interface Lineage {
  /** URL of the authority's directory. */
  directory: string;
  /** Names on the newest certificate, sorted; none when it can't be read. */
  names: string[];
  /** ISO 8601; "" when the certificate can't be read. */
  begins: string;
  expires: string;
  /** The key is the certificate's. */
  isPair: boolean;
  /** Prosody has the newest certificate and key, readable for it alone. */
  deployed: boolean;
  /** SHA-256 of the chain that Prosody has, hexadecimal; "" when it has none. */
  certificate: string;
  /** Text of the script that brings renewals to Prosody; "" when there is none. */
  hook: string;
  /** Whenever certbot's timer looks, the script brings what it could not bring before. */
  retried: boolean;
  /** Known as one that certbot had before the stack. */
  adopted: boolean;
}

/** Everything that certbot has on a host. */
export interface Lineages {
  lineages: Record<string, Lineage>;
  /** Whom certbot trusts besides public authorities, PEM. */
  ca: string;
  /** Prosody has not loaded the newest of its certificates yet. */
  pending: boolean;
  /** The clock of the host, milliseconds: authorities and certificates go by it. */
  now: number;
}

/** Where the script that brings a renewed certificate to Prosody is. */
export const hookFile = (domain: string) => `/etc/letsencrypt/renewal-hooks/deploy/prosody-pulumi-${domain}`;

/** Where certbot's timer is told what else to do: its unit on Debian, and in the Fedora family. */
export const dropIns = ["certbot.service", "certbot-renew.service"].map(
  (unit) => `/etc/systemd/system/${unit}.d`,
);

/** Have the script run after each look of the timer: certbot itself runs it once, whether that works or not. */
export const retryFiles = (domain: string) => dropIns.map((each) => `${each}/prosody-pulumi-${domain}.conf`);

/** What they say. By the shell: SELinux need not let systemd run what lies in /etc. */
export const retryLine = (domain: string) => `ExecStopPost=-/bin/sh ${hookFile(domain)} missed`;

/**
 * Says that a certificate was certbot's before the stack: kept beside it, because a state can be lost, and an up can end
 * before there is one.
 */
export const adoptedMark = (domain: string) => `/etc/letsencrypt/prosody-pulumi-adopted-${domain}`;

/** The authority's certificate alone, and together with the public ones. */
export const caFiles = {
  own: "/etc/letsencrypt/prosody-pulumi-ca.pem",
  all: "/etc/letsencrypt/prosody-pulumi-ca-bundle.pem",
};

export const lineages: Fact<Lineages> = {
  name: "lineages",
  script: `echo "now $(date +%s)"
[ -e ${pendingMark} ] && echo pending
[ -f ${caFiles.own} ] && echo "ca $(base64 -w0 ${caFiles.own})"
for conf in /etc/letsencrypt/renewal/*.conf; do
  [ -f "$conf" ] || continue
  name=\${conf##*/}; name=\${name%.conf}
  live=/etc/letsencrypt/live/$name; served=/etc/prosody/certs/$name; pair=no; deployed=no
  [ "$(openssl x509 -in "$live/fullchain.pem" -noout -pubkey 2>/dev/null)" = "$(openssl pkey -in "$live/privkey.pem" -pubout 2>/dev/null || echo none)" ] && pair=yes
  cmp -s "$live/fullchain.pem" "$served.crt" && cmp -s "$live/privkey.pem" "$served.key" &&
    [ "$(stat -Lc '%a %U %G' "$served.crt" "$served.key" | sort -u)" = '640 root prosody' ] && deployed=yes
  adopted=no; [ ! -e ${adoptedMark("$name")} ] || adopted=yes
  retried=yes; for file in ${retryFiles("$name").join(" ")}; do grep -qsxF "${retryLine("$name")}" "$file" || retried=no; done
  hook=${hookFile("$name")}; [ -x "$hook" ] || hook=/dev/null
  echo "lineage $name $pair $deployed $retried $adopted $(sed -n 's/^server *= *//p' "$conf" | head -n 1) chain=$(base64 -w0 "$live/fullchain.pem" 2>/dev/null) served=$(base64 -w0 "$served.crt" 2>/dev/null) hook=$(base64 -w0 "$hook")"
done`,
  parse(stdout) {
    const line = (label: string) => new RegExp(`^${label} (.*)$`, "m").exec(stdout)?.[1] ?? "";
    const rows = stdout.matchAll(
      /^lineage (\S+) (yes|no) (yes|no) (yes|no) (yes|no) (\S*) chain=(\S*) served=(\S*) hook=(\S*)$/gm,
    );
    return {
      now: Number(line("now")) * 1000,
      ca: decode(line("ca")),
      pending: /^pending$/m.test(stdout),
      lineages: Object.fromEntries(
        [...rows].map(
          ([, name, pair, deployed, retried, adopted, directory, chain, served, hook]): [string, Lineage] => [
            name!,
            {
              directory: directory!,
              ...readLeaf(decode(chain!)),
              isPair: pair === "yes",
              deployed: deployed === "yes",
              certificate: served ? createHash("sha256").update(decode(served)).digest("hex") : "",
              hook: decode(hook!),
              retried: retried === "yes",
              adopted: adopted === "yes",
            },
          ],
        ),
      ),
    };
  },
};

function readLeaf(chain: string): Pick<Lineage, "names" | "begins" | "expires"> {
  try {
    const leaf = new X509Certificate(chain);
    return {
      names: namesOf(leaf).sort(),
      begins: new Date(leaf.validFrom).toISOString(),
      expires: new Date(leaf.validTo).toISOString(),
    };
  } catch {
    return { names: [], begins: "", expires: "" };
  }
}

const decode = (text: string) => Buffer.from(text, "base64").toString("utf8");
