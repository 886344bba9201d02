/** The passages of docs/performance.md that no measurement changes. */
export const text: Record<string, string> = {
  head: `# Performance

Written by \`npm run bench\` from \`bench/results.json\`; the text is in \`bench/text.ts\`. Hosts are the lab's ([lab.md](lab.md)), on the same machine as the engine, so both share its cores: a host elsewhere leaves more to the engine, and adds its distance to each round trip. Their disks are in memory, because ext4 looks at each inode that was deleted in the last five minutes before it makes a file on an overlay, and a round deletes thousands; a disk adds what it takes to write the files of accounts and of SELinux's policy. Other work ran on this machine, too: take times as upper bounds, and ratios within one table for what they say.`,
  goals: `Why goals are missed:

- *First \`up\` and \`destroy\` over the floor*: the floor makes nothing. Here SELinux's policy is linked anew (0.3 s in memory, 0.6 s and more on a disk), firewalld is changed, Prosody and coturn restart, accounts are made in the server, and what is deleted is archived first. A destroy also asks whose the host is, and whether each deletion was carried out. These wait for each other, because ports are labelled before Prosody binds them and opened after it; and the SDK tells the engine of no account before the server is up, so that the engine's work for accounts comes last, too. The limit in the profile is the longest single command, which no order can undercut.
- *Against Ansible at 1,000 JIDs*: two thirds of our time are the floor itself, the engine's work for 1,000 resources, which alone leaves no more than 11 ×. The rest is mostly processor time for hashes (1.3 ms per password with Node.js 24, 2 ms with 20), which are made while the server is being set up, and for the files of accounts; both are taken from the same two cores here.
- *10 hosts*: with Node.js 20, of which the tables of 5 and 10 hosts are, a plain \`preview\` of 10 hosts took 2.93 × the time of one; with Node.js 24, on another machine (Intel Xeon, 2 cores, 4 and 5 rounds), 2.75 ×, 6.13 s for 2.23 s. Ten hosts and the engine share two cores here, with 12 processes at work on average: a preview takes 12 to 13 s of processor time, of which 3.3 s in the engine, 4.5 s in program and provider, 4.1 s on the hosts, where a log-in by SSH alone is 0.07 s. Ten servers are also 310 resources, not 121. A host's own cores were not at hand to be measured.`,
  times: `Seconds, \`min / **median** / max\` of the rounds of one run, in which the three take turns.

- *Floor*: as many resources that do nothing, on the same engine with the same settings (\`bench/floor/\`). It loads all of Pulumi's SDK, as any program does; ours puts off what it never uses (\`tools/later.cjs\`), which is how it can take less than the floor.
- *Ours*: a default server with the ports let through firewalld and labelled in SELinux's policy. Packages are installed already.
- *Ansible*: the same files, ports, labels and accounts by \`bench/playbook.yml\`, with ansible-core 2.19, pipelining and ControlPersist, and one script for all accounts. It has no \`destroy\`.
- More than 1,500 JIDs stand in a file (\`jidsFile\`).
- *Round trips* are remote commands, the one at log-in included; *provider* is the most memory that the process had.`,
  profile: `One run of each phase. Each moment goes to the first part of the list that was under way. The limit of remote work is its longest single command, that of the log-in is the quickest one, and that of the others is what the floor took for the same part.`,
  checkpoints: `The engine writes its whole state before and after each operation, so that time grows with the square of the number of resources. \`PULUMI_SKIP_CHECKPOINTS=true\` has it write once, at the end; \`PULUMI_PARALLEL=256\` lets it work on more resources at a time than four per core, which matters because each waits for the host.

| Accounts in the stack | Set |
|---|---|
| up to 50 | nothing, or \`PULUMI_PARALLEL=256\` |
| more | \`PULUMI_PARALLEL=256 PULUMI_SKIP_CHECKPOINTS=true\` |

\`npm run pulumi\` sets the first by itself, and \`NODE_COMPILE_CACHE\`, the directory in which Node.js 22 and later keep what they compiled, which saves a third of the time that program and provider take to start. Its \`NODE_OPTIONS\` load \`tools/later.cjs\`, which spares the provider some 0.3 s and 50 MB, and keep Node.js 24 from taking 80 MB for young objects alone; with Pulumi's own command line, set \`NODE_OPTIONS="--require=$PWD/tools/later.cjs --max-semi-space-size=16"\`. What an engine that is killed without checkpoints forgets is on the host all the same: every create adopts what it finds, and every read says what is gone. So run the same \`pulumi up\` again (after \`pulumi cancel\`, which takes back the lock) *before* you take anything out of the stack config: an account that was made in a run that was killed, and is taken out before the next one, is nobody's.`,
  disruption: `Clients that are logged in over direct TLS and write to each other twice a second, while one change after the other is made by \`pulumi up\`. Whether new connections are taken is tried every 50 ms.

Whoever connects while certificates are loaded anew once took the whole server down, by a fault of LuaSec: in two of 14 runs, before the server got a module against it (\`tls_reload\`, [server.md](server.md#other-modules)), and in none of the ten since. The table is of the last one.`,
};
