import { archiveDirectory as archives, pack } from "../archive";
import type { Host } from "../host";
import { luaSource } from "../lua";
import type { Found } from "./found";
import type { Model } from "./model";
import {
  copyNote,
  directory,
  discard as discarding,
  lock,
  mainFile,
  movedMark,
  notLater,
  stagedFile,
  startLater,
  stillMoving,
} from "./scripts";

/** Exit code of {@link move}: nothing was changed, and the old server runs as before; stderr says why. */
const refused = 81;

/**
 * The Lua program of the migration comes over standard input; it runs once per configuration, because a process of
 * Prosody's libraries knows one.
 */
const head = `umask 077
${pack}program=$(cat)
PROSODYCTL=$(command -v prosodyctl) || exit 0
export PROSODYCTL
read -r interpreter < "$PROSODYCTL"
storage() { printf '%s\\n' "$program" | \${interpreter#??} - "$@"; }
# Sets \`base\`, the directory of the data, and \`places\` of a configuration; neither, if it is broken.
look() {
  places=$(storage places "$1" 2>/dev/null)
  base=$(printf '%s\\n' "$places" | sed -n 's/^base //p')
  places=$(printf '%s\\n' "$places" | sed '/^base /d' | sort -u)
}
# What a database says of a full disk is seldom that.
full() {
  room=$(df -Pk "\${base:-/var/lib/prosody}" 2>/dev/null | awk 'NR == 2 { print $4 }')
  [ "\${room:-1024}" -ge 1024 ] || echo "; there is no room left on the disk of \${base:-/var/lib/prosody}"
}
refuse() { echo "$*$(full)" >&2; exit ${refused}; }
mkdir -p ${archives} || refuse "the archives can't be written"
${lock}
# Databases that this program may empty: those that it fills; and, with a digest of what each had, those that it moved
# data out of, which nobody else may have written to since.
filled=${archives}/filled-databases
# Paths of the SQLite databases among places.
databases() { printf '%s\\n' "$1" | sed -n 's/^sql SQLite3 \\([^ ]*\\) .*/\\1/p' | sort -u | sed "s|^[^/]|$base/&|"; }
# Whether some stores are in files; a table of stores is behind its database.
in_files() { printf '%s\\n' "$1" | grep -q -e '^internal' -e '{'; }
# Does something to the files of an internal storage, uploads left out: HOST/STORE.dat and HOST/STORE/USER.dat. What is
# deeper, as somebody's copy of the data, is none of Prosody's.
files() { find -L . -maxdepth 3 -path './.*' -prune -o -type f '(' -name '*.dat' -o -name '*.list' -o -name '*.lidx' ')' "$@"; }
# A path in one name.
flat() { printf %s "$1" | tr / %; }
# Keeps a database, with what belongs to it, among the archives.
put_aside() {
  for ending in "" -wal -journal; do
    [ -e "$1$ending" ] || continue
    aside="${archives}/$(flat "\${1#"$base"/}")-$stamp$ending"
    ln "$1$ending" "$aside" 2>/dev/null && continue
    cp -p "$1$ending" "$aside.part" && mv "$aside.part" "$aside" || { rm -f "$aside.part"; return 1; }
  done
}
# What a program tells of its progress goes on to the standard error at once.
data() { sed -un -e '/^progress: /w /dev/stderr' -e '/^data /p' -e '/^database /p'; }
# What follows a word in the lines of $2 that begin with it.
after() { printf '%s\\n' "$2" | sed -n "s/^$1 //p"; }
`;

/**
 * Moves all data from the storage of the live configuration to that of the staged one, if it is another. Prosody
 * stays stopped after a move, so that nobody writes to what is left; after a failure it runs as before.
 *
 * The copy in ${"`.prosody-pulumi-storage`"} becomes the archive of the old storage once the server runs with the new one
 * ({@link finish}). A move that was cut off is begun anew: until the files of the configuration are replaced, the
 * old storage is the one that counts.
 */
export const move = `${head}${startLater}
flock --nonblock 9 || refuse "${stillMoving}"
look ${stagedFile}
new=$places target=$base
look ${mainFile}
old=$places
copy="$base/.prosody-pulumi-storage"
# A change that was cut off after the data had moved: what is in force now has them, so there is no way back.
if [ -d ${directory}/.previous ]; then
  if [ -f "$copy/.places" ] && [ "$(cat "$copy/.places")" != "$old" ]; then rm -rf ${directory}/.previous; fi
fi
# Where nothing can be read from a broken configuration, what was written down counts.
written=$(cat ${archives}/storage 2>/dev/null || echo internal)
[ -n "$old" ] || old=$written
if [ -n "$base" ] && [ -n "$target" ] && ! [ "$base" -ef "$target" ] && [ "$(storage empty ${mainFile})" != empty ]; then
  refuse "Prosody keeps its data in $base, and the new configuration looks in $target: stop Prosody, move what is in $base there, put a link to it in the place of $base, and start Prosody again"
fi
if [ "$old" = "$new" ]; then
  [ -z "$base" ] || [ -e "$copy" ] || [ "$new" != "$written" ] || echo settled
  exit 0
fi
[ -n "$base" ] || refuse "the configuration in force can't be read, so the data can't be moved; put it right first, without another storage"
others=$(printf '%s\\n%s\\n' "$old" "$new" | sed -n 's/^other //p' | sort -u | paste -sd, | sed 's/,/, /g')
[ -z "$others" ] || refuse "no move brings along what these storages keep: $others. Bring it to files first, by their own tools or prosody-migrator, with a configuration that has internal in their place"
touch "$filled" || refuse "it can't be noted which databases this program fills"
reason=$(storage probe ${stagedFile} 2>&1) || refuse "the new storage can't be used: $reason"
held=$(printf '%s\\n' "$reason" | sed -n 's/^holds [0-9]* //p')
foreign=$(printf '%s\\n' "$held" | sed '/^$/d' | grep -vxF -f "$filled")
# A new host, whose server has its data already: by a restore, or in a database elsewhere.
if [ -n "$foreign" ] && [ "$(storage empty ${mainFile})" = empty ]; then echo kept; exit 0; fi
# Nothing can be brought into it before it is emptied, and the old storage counts until all has come.
common=$(printf '%s\\n' "$old" | sed 's/{.*//' | grep -xF "$(printf '%s\\n' "$held" | sed '/^sql SQLite3 /d')")
[ -z "$common" ] || refuse "the old storage has data in the database of the new one ($common): move them to another storage first, as internal, and from there"
# A file is put aside, not emptied.
foreign=$(printf '%s\\n' "$foreign" | sed '/^sql SQLite3 /d')
is_as_left() {
  [ -n "$foreign" ] || return 0
  now=$(storage digest ${stagedFile} | data)
  as_left=$(after database "$now" | grep -xF -f "$filled" | cut -d ' ' -f 2-)
  ! printf '%s\\n' "$foreign" | grep -qvxF "$as_left"
}
is_as_left || refuse "the database of the new storage is not empty, and not filled by this program ($foreign): empty it, or give another"
active=$(systemctl is-active prosody)
case $active in activating|reloading) active=active;; esac
if ${notLater}; then active=active; fi
done=
restart() {
  code=$?
  trap - EXIT
  trap '' HUP INT TERM PIPE
  if [ -z "$done" ]; then
    rm -rf "$copy"
    [ "$active" != active ] || systemctl start prosody
    ${notLater}
  fi
  exit $code
}
trap restart EXIT
trap 'exit 1' HUP INT TERM PIPE
[ "$active" != active ] || start_later
systemctl stop prosody
rm -rf "$copy"
echo "$copy" > ${copyNote} || refuse "it can't be noted where the copy of the data is"
install -d -m 0700 -o prosody -g prosody "$copy"
told=$(storage export ${mainFile} "$copy" | data)
before=$(after data "$told")
[ -n "$before" ] || refuse "the old storage can't be read"
is_as_left || refuse "somebody writes to the database of the new storage ($foreign): give another"
cleared=$(storage clear ${stagedFile}) || refuse "the database of the new storage can't be emptied"
printf '%s\\n' "$cleared" | sed '/^$/d' | grep -vxF -f "$filled" >> "$filled" || [ $? = 1 ] || refuse "it can't be noted which databases this program fills"
# Files are made beside those that are there, which may belong to the old storage, too: it counts until all has come.
fresh="$copy/.new"
install -d -m 0700 -o prosody -g prosody "$fresh" && databases "$new" > "$copy/.databases" || refuse "the copy of the data can't be written"
# A database that both are in keeps what the new one has elsewhere.
databases "$old" | while read -r name; do
  grep -qxF "$name" "$copy/.databases" || continue
  for ending in "" -wal; do
    [ ! -e "$name$ending" ] || cp -p "$name$ending" "$fresh/$(flat "$name")$ending" || refuse "a copy of $name can't be written"
  done
done || exit
set -- \${before#* } # so many values and so many messages
count=$(($1 + $4))
held_now=$(after data "$(storage import ${stagedFile} "$copy" "$count" 2> "$copy/.reason" | data)")
[ "$held_now" = "$before" ] || refuse "the new storage does not hold what the old one has: $(tail -n 3 "$copy/.reason") (\${before#* } before, \${held_now#* } after)"
if systemctl --quiet is-active prosody; then refuse "somebody has started Prosody meanwhile"; fi
# What takes the place of something has to be on the disk by then.
sync
stamp=$(date -u +%Y%m%dT%H%M%SZ)
while read -r name; do
  made="$fresh/$(flat "$name")"
  [ -e "$made" ] || continue
  case "$held" in *" SQLite3 "*) put_aside "$name" || refuse "$name can't be put aside";; esac
  # Nobody must see the new one with what belongs to the old one, or half of it.
  mv "$made" "$name.new" && rm -f "$name-wal" "$name-shm" "$name-journal" && mv -f "$name.new" "$name" ||
    { rm -f "$name.new"; refuse "$name can't be written"; }
done < "$copy/.databases"
if in_files "$new"; then
  cd "$base"
  files -print > "$copy/.replaced" &&
    { [ ! -s "$copy/.replaced" ] || pack "${archives}/storage-files-$stamp.tar.gz" -T "$copy/.replaced"; } ||
    refuse "files of an earlier storage can't be put aside"
  # An index has positions in the list that it was made of; Prosody makes it anew.
  files -name '*.lidx' -exec rm {} +
  # As links, so that each is whole and needs no room; what is on another file system can't be linked.
  ( cd "$fresh" && files -print0 | xargs -0r sh -c 'cp -al "$@" 2>/dev/null || cp -a "$@"' cp --remove-destination --parents -t "$base" ) || refuse "the files can't be written"
  # What the old storage may have, and the new one has elsewhere, goes at the end.
  while read -r file; do
    [ -e "$fresh/$file" ] || if [ -e "$copy/$file" ]; then echo "$file" >> "$copy/.left" || refuse "the files can't be written"; else rm -f "$file"; fi
  done < "$copy/.replaced"
  cd /
fi
rm -rf "$fresh" "$copy/.replaced" "$copy/.databases"
rm -f "$copy/.reason"
after database "$told" > "$copy/.digests" && echo "$old" > "$copy/.places" || refuse "the copy of the data can't be written"
sync
: > ${movedMark}
done=yes
`;

/** Archives the copy, and removes the old storage's files, once the server runs with the new one. */
const finish = `${head}
set -e
flock 9
look ${mainFile}
new=$places
copy="$base/.prosody-pulumi-storage"
echo "$new" > ${archives}/storage
if [ -f "$copy/.places" ] && [ "$(cat "$copy/.places")" != "$new" ]; then
  old=$(cat "$copy/.places")
  stamp=$(date -u +%Y%m%dT%H%M%SZ)
  archive=${archives}/storage-$stamp.tar.gz
  # The list of places goes last, with the copy: while it is there, this is not done.
  pack "$archive" -C "$copy" --exclude='./.*' .
  sync
  # Files beside a database, and a database beside files, may have what the old storage did not look at: they are kept.
  if in_files "$old" && ! in_files "$new"; then
    cd "$base"
    case "$old" in *sql*) files -print | pack "${archives}/storage-files-$stamp.tar.gz" -T -;; esac
    # What was not moved, as of a storage of somebody else's making, stays.
    ( cd "$copy" && files -print ) | sed 'p;s/[.]list$/.lidx/' | xargs -d '\\n' rm -f
  fi
  if [ -e "$copy/.left" ]; then ( cd "$base"; xargs -d '\\n' rm -f < "$copy/.left" ); fi
  [ -e "$copy/.digests" ] || : > "$copy/.digests"
  while IFS= read -r line; do
    printf '%s\\n' "$new" | sed 's/{.*//' | grep -qxF "\${line#* }" && continue
    grep -vxF "\${line#* }" "$filled" > "$filled.new" || [ $? = 1 ]
    echo "$line" >> "$filled.new"
    mv "$filled.new" "$filled"
  done < "$copy/.digests"
  databases "$new" > "$copy/.databases"
  databases "$old" | while read -r name; do
    while read -r used; do [ ! "$name" -ef "$used" ] || continue 2; done < "$copy/.databases"
    if in_files "$old" || [ -e "$copy/.others" ]; then put_aside "$name"; fi
    rm -f "$name" "$name-wal" "$name-shm" "$name-journal"
  done
  echo "$archive"
fi
rm -rf "$copy" ${copyNote}
`;

const program = () => ["common", "prosody", "stored", "migrate"].map(luaSource).join("");

/**
 * Moves the data where the staged configuration wants them, if that is elsewhere; Prosody is stopped then.
 * @returns whether {@link keepOldStorage} is to follow
 * @throws Error that says why, with the old server running as before
 */
async function moveStorage(host: Host): Promise<boolean> {
  const { code, stdout, stderr } = await host.run(move, {
    doing: "moving Prosody's data to another storage",
    input: program(),
    timeout: moveTime,
    accept: [0, refused],
    changes: true,
    fix: "The old storage is in force.",
  });
  if (code === refused)
    throw new Error(`the storage is not changed, and nothing else: ${stderr.trim().split("\n").join("; ")}`);
  return !/^settled$/m.test(stdout);
}

/** Moves the data if the staged configuration may keep them elsewhere. Returns whether {@link keepOldStorage} follows. */
export async function moveIfOther(host: Host, { model, cutOff }: Found, staged: Model): Promise<boolean> {
  const mayMove = !model || cutOff !== undefined || storageOf(model) !== storageOf(staged);
  return (
    mayMove &&
    moveStorage(host).catch(async (error: Error) => {
      await discard(host).catch(() => undefined); // the error is what counts
      throw error;
    })
  );
}

/** Where a configuration has its data, with digests of the storages, whichever hosts it has: {@link move} compares them in the same way. */
function storageOf({ options, data }: Model): string {
  const names = ["storage", "default_storage", "sql"];
  const storages = Object.values(options).map((host) =>
    JSON.stringify(names.map((name) => host[name] ?? "")),
  );
  return [data, ...new Set(storages.sort())].join();
}

/** Removes the staged files. */
export async function discard(host: Host): Promise<void> {
  await host.run(discarding, { doing: "removing the candidate of Prosody's configuration" });
}

/** Keeps the old storage as an archive. */
export async function keepOldStorage(host: Host): Promise<void> {
  await host.run(finish, {
    doing: "archiving the old storage",
    input: program(),
    timeout: moveTime,
    changes: true,
  });
}

/** Seconds for moving the data: far more than a restart takes. */
export const moveTime = 3600;
