import { osRelease, parseOsRelease } from "../../../../providers/facts/os-release";

const debian = `PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
NAME="Debian GNU/Linux"
VERSION_ID="13"
VERSION="13 (trixie)"
VERSION_CODENAME=trixie
ID=debian
HOME_URL="https://www.debian.org/"
`;

test.each([
  [debian, { family: "debian", id: "debian", version: "13", name: "Debian GNU/Linux 13 (trixie)" }],
  [
    'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n',
    { family: "debian", id: "ubuntu", version: "24.04", name: "Ubuntu 24.04.3 LTS" },
  ],
  [
    "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22\n",
    { family: "debian", id: "linuxmint", version: "22", name: "linuxmint" },
  ],
  [
    'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora Linux 42 (Server Edition)"',
    { family: "fedora", id: "fedora", version: "42", name: "Fedora Linux 42 (Server Edition)" },
  ],
  [
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.6"\nPRETTY_NAME="Rocky \\"Blue Onyx\\""\n',
    { family: "fedora", id: "rocky", version: "9.6", name: 'Rocky "Blue Onyx"' },
  ],
  [
    "ID=debian\n# a comment\n\nbroken line\n",
    { family: "debian", id: "debian", version: "", name: "debian" },
  ],
])("the distribution of %j", (text, expected) => {
  expect(parseOsRelease(text)).toEqual(expected);
});

test("a distribution of another family is refused by name", () => {
  expect(() => osRelease.parse('ID=alpine\nPRETTY_NAME="Alpine Linux v3.22"\n')).toThrow(
    new Error(
      "the host runs Alpine Linux v3.22 (ID=alpine), which is not supported. Use a distribution of the families Debian (Debian, Ubuntu) or Fedora (Fedora, RHEL, Rocky, AlmaLinux, CentOS Stream).",
    ),
  );
});
