/** What an RPM of the Fedora-like host is made of. See docs/lab.md for what it stands for. */
export interface Rpm {
  /** Debian packages whose files it has. Their dependencies become its requirements, by the names of RPMs. */
  debs: readonly string[];
  /** Shell commands, run in the tree of its files, that give them Fedora's layout. */
  layout?: string;
  /** Lines of its `%files` that say more than a path: owners, modes. The paths in them are in the tree. */
  attributes?: readonly string[];
  /** What it needs from the base, and Fedora's own package says so. */
  requires?: readonly string[];
  /** Capabilities beside its own name. */
  provides?: readonly string[];
  /** Shell commands before its files are there, each time: makes users, as a rule. */
  pre?: string;
  /** Shell commands once its files are there. */
  post?: string;
  /** Fedora's presets enable its units, and it still takes a boot or the administrator to start them. */
  enabled?: boolean;
}

const user = (name: string, home: string) => `getent group ${name} >/dev/null || groupadd -r ${name}
getent passwd ${name} >/dev/null || useradd -r -g ${name} -d ${home} -s /sbin/nologin ${name}`;

/** Debian keeps PostgreSQL's programs in a directory for each version, Fedora where all programs are. */
const inPath = (version: string) => `mkdir -p usr/bin
for program in usr/lib/postgresql/${version}/bin/*; do ln -s "../../$program" usr/bin; done`;

/** One of Fedora's Lua libraries: the same name, the interpreter's own directories. */
const lua = (name: string, ...debs: string[]): [string, Rpm] => [name, { debs: debs.length ? debs : [name] }];

/**
 * RPMs under Fedora's names. What their Debian packages need beyond these becomes RPMs of the same names. To have
 * one more in the repository, add it here.
 */
export const rpms: Record<string, Rpm> = {
  prosody: {
    debs: ["prosody"],
    requires: ["/usr/bin/openssl", "lua(abi) = 5.4"],
    provides: ["user(prosody)", "group(prosody)"],
    layout: `rm -rf etc/init.d etc/prosody/README etc/prosody/migrator.cfg.lua usr/share/doc
mkdir -p usr/lib64 etc/pki/prosody var/lib/prosody var/log/prosody usr/lib/tmpfiles.d
mv usr/lib/prosody usr/lib64/prosody
sed -i -e '1s@.*@#!/usr/bin/lua@' -e 's@/usr/lib/prosody@/usr/lib64/prosody@g' usr/bin/*
mv etc/prosody/conf.avail etc/prosody/conf.d
printf 'VirtualHost "example.com"\\n\\tenabled = false\\n' > etc/prosody/conf.d/example.com.cfg.lua
sed -i -e '/RuntimeDirectory/d' usr/lib/systemd/system/prosody.service
echo 'd /run/prosody 0755 prosody prosody -' > usr/lib/tmpfiles.d/prosody.conf
sed -i -e '/^VirtualHost "localhost"/d' \\
  -e 's@^pidfile = .*@&\\nadmin_socket = "/run/prosody/prosody.sock"@' etc/prosody/prosody.cfg.lua
ln -s ../pki/prosody etc/prosody/certs`,
    attributes: [
      "%dir %attr(0750,root,prosody) /etc/prosody",
      "%dir %attr(0750,root,prosody) /etc/prosody/conf.d",
      "%config(noreplace) %attr(0640,root,prosody) /etc/prosody/prosody.cfg.lua",
      "%config(noreplace) %attr(0640,root,prosody) /etc/prosody/conf.d/localhost.cfg.lua",
      "%config(noreplace) %attr(0640,root,prosody) /etc/prosody/conf.d/example.com.cfg.lua",
      "%dir %attr(0750,root,prosody) /etc/pki/prosody",
      "%dir %attr(0750,prosody,prosody) /var/lib/prosody",
      "%dir %attr(0750,prosody,prosody) /var/log/prosody",
    ],
    pre: user("prosody", "/var/lib/prosody"),
    post: `cd /etc/pki/prosody
[ -f localhost.key ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \\
  -subj /CN=localhost -keyout localhost.key -out localhost.crt 2>/dev/null
chown root:prosody localhost.key && chmod 0640 localhost.key && chmod 0644 localhost.crt`,
  },
  lua: { debs: ["lua5.4"], provides: ["lua(abi) = 5.4"], layout: "ln -s lua5.4 usr/bin/lua" },
  "lua-libs": { debs: ["liblua5.4-0"] },
  ...Object.fromEntries([
    lua("lua-bit32"),
    lua("lua-event"),
    lua("lua-expat"),
    lua("lua-filesystem"),
    lua("lua-readline"),
    lua("lua-sec"),
    lua("lua-socket"),
    lua("lua-unbound"),
    // Fedora has one package with all drivers.
    lua("lua-dbi", "lua-dbi-common", "lua-dbi-mysql", "lua-dbi-postgresql", "lua-dbi-sqlite3"),
  ]),
  firewalld: {
    debs: ["firewalld"],
    layout: `rm -rf etc/init.d
cd usr/share/polkit-1/actions
ln -s org.fedoraproject.FirewallD1.server.policy.choice org.fedoraproject.FirewallD1.policy`,
    enabled: true,
  },
  polkit: { debs: ["polkitd"] },
  "python3-firewall": { debs: ["python3-firewall"] },
  policycoreutils: { debs: ["policycoreutils"] },
  "policycoreutils-python-utils": { debs: ["policycoreutils-python-utils"] },
  "libselinux-utils": { debs: ["selinux-utils"] },
  // Debian's policy under the name of Fedora's: the same tools, other types.
  "selinux-policy-targeted": {
    debs: ["selinux-policy-default"],
    layout: `mv etc/selinux/default etc/selinux/targeted
mv usr/share/selinux/default usr/share/selinux/targeted
rm -rf var/lib/selinux usr/share/doc
printf 'SELINUX=enforcing\\nSELINUXTYPE=targeted\\n' > etc/selinux/config`,
    post: `cd /usr/share/selinux/targeted
semodule -X 100 -n -s targeted $(sed 's@.*@-i &.pp.bz2@' .modules)`,
  },
  coturn: {
    debs: ["coturn"],
    layout: `rm -rf etc/init.d etc/default etc/ufw
mkdir -p etc/coturn var/lib/coturn
mv etc/turnserver.conf etc/coturn/turnserver.conf
sed -i -e 's@/etc/turnserver.conf@/etc/coturn/turnserver.conf@' -e 's@=turnserver$@=coturn@' \\
  usr/lib/systemd/system/coturn.service`,
    attributes: [
      "%dir %attr(0750,root,coturn) /etc/coturn",
      "%config(noreplace) %attr(0640,root,coturn) /etc/coturn/turnserver.conf",
      "%dir %attr(0750,coturn,coturn) /var/lib/coturn",
    ],
    pre: user("coturn", "/var/lib/coturn"),
  },
  mercurial: { debs: ["mercurial", "mercurial-common"] },
  certbot: {
    debs: ["certbot"],
    layout: `rm -r etc/cron.d
cd usr/lib/systemd/system
for kind in service timer; do mv certbot.$kind certbot-renew.$kind; done`,
  },
  // Fedora has none; the tests need it.
  pebble: { debs: ["pebble"] },
  postgresql: { debs: ["postgresql-client-17"], layout: inPath("17") },
  "postgresql-server": {
    debs: ["postgresql-17"],
    layout: `rm -r usr/lib/postgresql/17/lib/bitcode usr/lib/postgresql/17/lib/llvmjit*
${inPath("17")}
mkdir -p -m 0700 var/lib/pgsql/data
mkdir -p usr/lib/tmpfiles.d usr/lib/systemd/system
echo 'd /run/postgresql 0755 postgres postgres -' > usr/lib/tmpfiles.d/postgresql.conf
cat > usr/lib/systemd/system/postgresql.service <<'END'
[Service]
Type=notify
User=postgres
ExecStart=/usr/bin/postgres -D /var/lib/pgsql/data
ExecReload=/bin/kill -HUP $MAINPID
KillSignal=SIGINT
[Install]
WantedBy=multi-user.target
END
cat > usr/bin/postgresql-setup <<'END'
#!/bin/sh -e
[ "$1" = --initdb ]
cd /
runuser -u postgres -- initdb -D /var/lib/pgsql/data --auth=ident $PGSETUP_INITDB_OPTIONS
END
chmod 0755 usr/bin/postgresql-setup`,
    attributes: [
      "%dir %attr(0700,postgres,postgres) /var/lib/pgsql",
      "%dir %attr(0700,postgres,postgres) /var/lib/pgsql/data",
    ],
    pre: user("postgres", "/var/lib/pgsql"),
  },
};

/** Debian packages that Fedora has no use for: its RPMs do the same by other means. */
export const withoutRpm: readonly string[] = [
  "ssl-cert",
  "adduser",
  "init-system-helpers",
  "lua-bitop",
  "postgresql-common",
  "postgresql-client-common",
];

/** Installed in the base itself with apt, before apt goes: what every Fedora server has, and the tools that build. */
export const ofEveryHost: readonly string[] = ["dnf", "rpm", "createrepo-c", "openssl", "curl", "netbase"];
