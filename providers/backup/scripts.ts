import { archiveDirectory as archives } from "../archive";
import { notLater, takeLock } from "../configuration/scripts";

/** Directories below Prosody's data, so that hard links and renaming work; only root may look. */
export const stages = { backup: ".prosody-pulumi-backup", restore: ".prosody-pulumi-restore" };

/**
 * Goes to the stage `path`, to stay in it as /proc/self/fd/7 under whatever name. The directory above it is Prosody's: a
 * Prosody that was broken into could put another one, or a link, in its place, and have root write where that leads.
 */
const enter = (path: string) => `cd '${path}'
exec 7< .
[ "$(stat -c '%F %u %d:%i' '${path}')" = "directory $(id -u) $(stat -c %d:%i .)" ] ||
  { echo "somebody has replaced ${path} meanwhile" >&2; exit 1; }
`;

/** Those archives that are of deleted accounts: \`find\` takes nothing else along that is in their directory. */
const ofAccounts = "-regextype posix-extended -regex '.*/([^/]*@|[0-9a-f]{64}-)[^/]*\\.tar\\.gz'";

/**
 * Waits until the service that was just started has all ports again that it had before, 30 s at most: that is the
 * end of the outage. They don't come at once, since each of its modules opens its own.
 */
const untilUp = `ports() {
  pid=$(systemctl show prosody --property MainPID --value)
  [ "$pid" = 0 ] || ss -Hltnp | grep "pid=$pid," | tr -s ' ' | cut -d ' ' -f 4
}
until_up() {
  deadline=$(($(date +%s) + 30))
  while [ "$(date +%s)" -lt $deadline ]; do
    now=$(ports)
    [ -n "$(echo "$had" | grep -vxF "$now")" ] || return 0
    sleep 0.05
  done
  echo "Prosody has not opened all its ports 30 s after its start; see journalctl -u prosody" >&2
}
`;

/**
 * The end of a backup, run by \`backup.lua\` in the stage, with its path STAGE, and DATA, CONFIG and STOP (whether
 * Prosody has data in files).
 * Prints "outage MILLISECONDS"; the archive goes to file descriptor 3.
 */
export const collect = `set -eu
umask 077
stopped=
name=$STAGE
finish() {
  code=$?
  trap - EXIT
  trap '' HUP INT TERM PIPE # a second one must not cut this off
  [ -z "$stopped" ] || systemctl start prosody
  rm -rf "$name"
  exit $code
}
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
${untilUp}
exec 7< .
STAGE=/proc/self/fd/7
cd "$DATA"
[ ! -e ${stages.restore}/replaced ] || { echo "a restore is under way in $DATA, or was cut off there" >&2; exit 1; }
mkdir -p "$STAGE/links" "$STAGE/etc"
# Indexes of lists are made anew by Prosody; what ends in ~ is being written. A directory may be a link to another disk.
files() {
  find -L . -path "./\${name##*/}" -prune -o -path ./.prosody-pulumi-restore -prune -o -path ./.prosody-pulumi-storage -prune -o -type f ! -name '*~' ! -name '*.lidx' ! -name .shell_history -print0 |
    sed -z 's|^\\./||' | grep -zvxF -f "$STAGE/.databases" || [ $? = 1 ] # there is none; otherwise the disk is full
}
# What is on another file system can't be linked.
take() {
  xargs -0r sh -c 'cp -alL "$@" 2>/dev/null || cp -aL --remove-destination "$@"' cp -t "$@"
}
while read -r database; do [ -z "$database" ] || printf '%s\\n' "$database" "$database-wal" "$database-shm" "$database-journal"; done < "$STAGE/.sqlite" > "$STAGE/.databases"
begin=$(date +%s%3N)
if [ "$STOP" = true ] && [ "$(systemctl is-active prosody)" = active ]; then
  had=$(ports)
  stopped=yes
  systemctl stop prosody
fi
files > "$STAGE/.files"
take "$STAGE/links" --parents -- < "$STAGE/.files"
find "$STAGE/links" -name '*.list' -printf '%s %P\\n' > "$STAGE/.sizes"
if [ -n "$stopped" ]; then
  systemctl start prosody
  stopped=
  until_up
  echo "outage $(($(date +%s%3N) - begin))" >&2
fi
cd "$STAGE/links"
# Prosody's user can make links to anybody's files, which a restore would make Prosody's.
foreign=$(find . -type f ! -uid "$(stat -Lc %u "$DATA")" -printf '%P\\n' | head -n 3 | paste -sd, | sed 's/,/, /g')
[ -z "$foreign" ] || { echo "$foreign in $DATA, or what a link there leads to, is not Prosody's. Give it to Prosody (chown prosody:prosody), or take it out of $DATA" >&2; exit 1; }
find . -name '*.list' -print0 | xargs -0r cp -a --reflink=auto --parents -t "$STAGE/data"
find . -name '*.list' -delete
while read -r size file; do
  [ "$(stat -c %s "$STAGE/data/$file")" = "$size" ] || truncate -s "$size" "$STAGE/data/$file"
done < "$STAGE/.sizes"
find . -type f -print0 | xargs -0r cp -al --parents -t "$STAGE/data"
cd /
# A link that leads nowhere is no failure, a full disk is.
missing=$(cp -rLp --preserve=all --parents "$CONFIG" "$STAGE" 2>&1) ||
  ! echo "$missing" | grep -e 'No space left' -e 'quota exceeded' -e 'Read-only' -e 'Input/output error' >&2 || exit 1
[ -d "$STAGE$CONFIG" ]
mkdir "$STAGE/archives"
if [ -d ${archives} ]; then
  find -L ${archives} -maxdepth 1 -type f ${ofAccounts} -print0 |
    take "$STAGE/archives" --
fi
cd "$STAGE"
rm -rf links .files .sizes .sqlite .databases
find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0r sha256sum > SHA256SUMS
# 1: Prosody has replaced a file meanwhile, so that its number of links changed, and nothing else.
tar -czf - manifest.json SHA256SUMS $(ls -A | grep -vxF -e manifest.json -e SHA256SUMS) >&3 || [ $? = 1 ]
`;

/**
 * Extracts an archive, which comes over standard input, beside the data and compares every file with its checksum.
 * Nothing else is changed. Prints the manifest.
 */
export const receive = (data: string) => `set -eu
umask 077
${takeLock}stage='${data}/${stages.restore}'
[ ! -e "$stage/replaced" ] || { echo "$stage/replaced has what a restore that did not end had put aside: move it to ${data}, or delete it" >&2; exit 1; }
trap 'code=$?; [ $code = 0 ] || rm -rf "$stage"; exit $code' EXIT
trap 'exit 1' HUP INT TERM PIPE
rm -rf "$stage"
mkdir "$stage"
${enter(`${data}/${stages.restore}`)}tar -xzpf - || { echo "the archive ends early, is damaged, or does not fit on the disk" >&2; exit 1; }
sha256sum --check --quiet --strict SHA256SUMS >&2
find . -type f ! -name SHA256SUMS ! -name .found | sort > .found
sed 's/^[0-9a-f]*  //' SHA256SUMS | sort | cmp -s - .found || { echo "the archive has other files than its list" >&2; exit 1; }
[ -z "$(find . ! -type f ! -type d)" ] || { echo "the archive has other things than files" >&2; exit 1; }
rm .found
cat manifest.json
`;

/**
 * Puts the received data in the place of what is there, with Prosody stopped. What was there comes back when it
 * does not work. Prosody runs again afterwards if it did before. Prints "outage MILLISECONDS". Until the rename that
 * ends it, nothing is deleted, on the way back neither. The last that can fail before is LOAD, which \`restore.lua\`
 * sets where a database is to be filled.
 */
export const place = (data: string) => `set -eu
umask 077
${takeLock}${enter(`${data}/${stages.restore}`)}cd '${data}'
name=${stages.restore}
stage=/proc/self/fd/7
old=$stage/replaced
aside=
stopped=
finish() {
  code=$?
  trap - EXIT
  trap '' HUP INT TERM PIPE # a second one must not cut this off
  set +e
  if [ -d "$old" ]; then
    mkdir "$stage/unplaced" || aside=
    [ -z "$aside" ] || find . -mindepth 1 -maxdepth 1 ! -name "$name" -exec mv -t "$stage/unplaced" {} +
    find "$old" -mindepth 1 -maxdepth 1 -exec mv -n -t . {} +
    rmdir "$old" || { echo "What was there could not be put back whole: move the rest of it from ${data}/$name/replaced to ${data}, and start Prosody, which is left stopped" >&2; exit 1; }
  fi
  [ -z "$stopped" ] || systemctl start prosody
  rm -rf "$name" && exit $code
  echo "Delete ${data}/$name, which could not be deleted$([ $code != 0 ] || echo "; the backup's data is in place")" >&2
  exit 1
}
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
${untilUp}
begin=$(date +%s%3N)
had=$(ports)
[ "$(systemctl is-active prosody)" != active ] || stopped=yes
if ${notLater}; then stopped=yes; fi
systemctl stop prosody
mkdir "$old"
find . -mindepth 1 -maxdepth 1 ! -name "$name" -exec mv -t "$old" {} +
aside=yes
[ ! -d "$stage/data" ] || find "$stage/data" -mindepth 1 -maxdepth 1 -exec mv -t . {} +
find . -mindepth 1 -maxdepth 1 ! -name "$name" -exec chown -R prosody:prosody {} +
! command -v restorecon >/dev/null || restorecon -R . || true
mkdir -p -m 700 ${archives}
[ ! -d "$stage/archives" ] || find "$stage/archives" -maxdepth 1 -type f ${ofAccounts} -exec sh -euc '
  for file in "$@"; do
    to=${archives}/\${file##*/}
    # In one step: on a full disk, half a copy would pass for the archive in the next restore.
    [ -e "$to" ] || { cp -a "$file" "$to.part"; mv "$to.part" "$to"; }
  done' sh {} +
[ -z "\${LOAD:-}" ] || sh -c "$LOAD"
mv -T "$old" "$stage/former"
if [ -n "$stopped" ]; then
  systemctl start prosody
  stopped=
  until_up
  echo "outage $(($(date +%s%3N) - begin))" >&2
fi
`;
