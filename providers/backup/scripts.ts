import { archiveDirectory as archives } from "../archive";

/** Directories below Prosody's data, so that hard links and renaming work; only root may look. */
export const stages = { backup: ".prosody-pulumi-backup", restore: ".prosody-pulumi-restore" };

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
 * The end of a backup, run by \`backup.lua\` with STAGE, DATA, CONFIG and STOP (whether Prosody has data in files).
 * Prints "outage MILLISECONDS"; the archive goes to file descriptor 3.
 */
export const collect = `set -eu
umask 077
stopped=
finish() {
  code=$?
  trap - EXIT
  [ -z "$stopped" ] || systemctl start prosody
  rm -rf "$STAGE"
  exit $code
}
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
${untilUp}
cd "$DATA"
mkdir -p "$STAGE/links" "$STAGE/etc"
# Indexes of lists are made anew by Prosody; what ends in ~ is being written. A directory may be a link to another disk.
files() {
  find -L . -path "./\${STAGE##*/}" -prune -o -path ./.prosody-pulumi-restore -prune -o -path ./.prosody-pulumi-storage -prune -o -type f ! -name '*~' ! -name '*.lidx' ! -name .shell_history -print |
    sed 's|^\\./||' | grep -vxF -f "$STAGE/.databases" || [ $? = 1 ] # there is none; otherwise the disk is full
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
tr '\\n' '\\0' < "$STAGE/.files" | take "$STAGE/links" --parents --
find "$STAGE/links" -name '*.list' -printf '%s %P\\n' > "$STAGE/.sizes"
if [ -n "$stopped" ]; then
  systemctl start prosody
  stopped=
  until_up
  echo "outage $(($(date +%s%3N) - begin))" >&2
fi
cd "$STAGE/links"
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
  find -L ${archives} -maxdepth 1 -type f -regextype posix-extended -regex '.*/([^/]*@|[0-9a-f]{64}-)[^/]*\\.tar\\.gz' -print0 |
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
stage='${data}/${stages.restore}'
trap 'code=$?; [ $code = 0 ] || rm -rf "$stage"; exit $code' EXIT
trap 'exit 1' HUP INT TERM PIPE
rm -rf "$stage"
mkdir "$stage"
cd "$stage"
tar -xzpf - || { echo "the archive ends early, is damaged, or does not fit on the disk" >&2; exit 1; }
sha256sum --check --quiet --strict SHA256SUMS >&2
find . -type f ! -name SHA256SUMS ! -name .found | sort > .found
sed 's/^[0-9a-f]*  //' SHA256SUMS | sort | cmp -s - .found || { echo "the archive has other files than its list" >&2; exit 1; }
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
cd '${data}'
stage=${stages.restore}
old=$stage/replaced
aside=
stopped=
finish() {
  code=$?
  trap - EXIT
  set +e
  if [ -d "$old" ]; then
    mkdir "$stage/unplaced"
    [ -z "$aside" ] || find . -mindepth 1 -maxdepth 1 ! -name "$stage" -exec mv -t "$stage/unplaced" {} +
    find "$old" -mindepth 1 -maxdepth 1 -exec mv -t . {} +
    rmdir "$old" || { echo "What was there could not be put back whole: move the rest of it from ${data}/$old to ${data}, and start Prosody, which is left stopped" >&2; exit 1; }
  fi
  [ -z "$stopped" ] || systemctl start prosody
  rm -rf "$stage" && exit $code
  echo "Delete ${data}/$stage, which could not be deleted$([ $code != 0 ] || echo "; the backup's data is in place")" >&2
  exit 1
}
trap finish EXIT
trap 'exit 1' HUP INT TERM PIPE
${untilUp}
begin=$(date +%s%3N)
had=$(ports)
[ "$(systemctl is-active prosody)" != active ] || stopped=yes
systemctl stop prosody
mkdir "$old"
find . -mindepth 1 -maxdepth 1 ! -name "$stage" -exec mv -t "$old" {} +
aside=yes
[ ! -d "$stage/data" ] || find "$stage/data" -mindepth 1 -maxdepth 1 -exec mv -t . {} +
find . -mindepth 1 -maxdepth 1 ! -name "$stage" -exec chown -R prosody:prosody {} +
! command -v restorecon >/dev/null || restorecon -R . || true
mkdir -p -m 700 ${archives}
[ ! -d "$stage/archives" ] || find "$stage/archives" -type f -exec sh -euc '
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
