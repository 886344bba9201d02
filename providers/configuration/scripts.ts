import { archiveDirectory, pack } from "../archive";
import { pendingMark } from "../load-certificates";
import { luaScript } from "../lua";

/** Where Prosody's configuration is, on Debian as on Fedora. */
export const directory = "/etc/prosody";

/** The file that Prosody reads first. */
export const mainFile = `${directory}/prosody.cfg.lua`;

/** The main file's candidate: in the same directory, so that it has the right SELinux label and finds its files. */
export const stagedFile = `${directory}/.staged/prosody.cfg.lua`;

/** Exit code of the scripts on a host that has no {@link directory}. */
export const noDirectory = 79;

/** Exit code of {@link restart} when the service does not run. */
export const notRunning = 80;

/** What {@link settle} prints. */
export const certificatesPending = "certificates";

/** Exit code of {@link stage} while another run has the {@link lock}. */
export const moving = 82;

/** What is said then. */
export const stillMoving =
  "another run of this program, which may have been cut off, still changes the configuration, moves the data for it or restores a backup: wait for its end";

/** Root's, since whoever may read a file may lock it. */
export const lockFile = "/run/prosody-pulumi.lock";

/** A script whose run was cut off goes on; it holds this until its last process has ended. */
export const lock = `( umask 077; : >> ${lockFile} ) && exec 9>> ${lockFile}`;

/** There while Prosody is stopped because the data have moved to where the candidate wants them. */
export const movedMark = `${directory}/.staged/.moved`;

/** Where a move notes the path of its copy of the data before it makes it. */
export const copyNote = `${archiveDirectory}/storage-copy`;

/** Whether there is such a copy though no change needs it: a move was given up when the host went down. */
const isCopyLeft = `[ ! -d .previous ] && [ -d "$(cat ${copyNote} 2>/dev/null)" ]`;

const deleteCopy = `rm -rf "$(cat ${copyNote} 2>/dev/null)" ${copyNote}`;

/** The unit of {@link startLater}. */
const startUnit = "prosody-pulumi-start";

/** Calls {@link startLater} off; fails where there is nothing to call off. */
export const notLater = `systemctl stop ${startUnit} 2>/dev/null`;

/** Starts a Prosody that was stopped for a change which did not come about. */
export const startNow = `systemctl start prosody && { ${notLater} || true; }`;

/**
 * A function for scripts that leave Prosody stopped for the next one: where that does not come within a minute, as when
 * the connection is gone, the host starts Prosody by itself, with the files that are in place. The candidate goes before
 * that, so that whoever comes later can't bring the files of a storage that has ceased to be up to date.
 */
export const startLater = `start_later() {
  systemd-run --quiet --collect --unit=${startUnit} sh -c '
    tail --pid="$1" -f /dev/null
    sleep 60
    cd ${directory}
    rm -rf .late
    [ ! -e .staged ] || mv -T .staged .late || exit
    if [ -e .late/.moved ] || ${isCopyLeft}; then ${deleteCopy}; fi
    rm -rf .late
    systemctl start prosody' start $$
}
`;

/**
 * A change goes through two directories beside the files. `.staged` holds the candidates, before anything is
 * changed. `.previous` holds what was there, from just before the first file is replaced until the server runs
 * the new ones: where it exists, a change was cut off, and it is the configuration that is known to work. What
 * was there before this program came is kept in `original`, where only root may look.
 */
const shared = `umask 077
${startLater}
original=${archiveDirectory}/original
there() { [ -e "$1" ] || [ -L "$1" ]; }
same() { ln "$1" "$2" 2>/dev/null || cp -a "$1" "$2"; }
cd ${directory} 2>/dev/null || { echo "${directory}: no such directory" >&2; exit ${noDirectory}; }
`;

/** Waits for the {@link lock}: whoever lost the connection to a script must not undo what it is still doing. */
export const takeLock = `${lock}
flock --wait 30 9 || { echo "${stillMoving}" >&2; exit 1; }
`;

/** For what changes the live files. */
const exclusive = `${shared}${takeLock}`;

/**
 * Puts candidates into `.staged`, with links to everything else that the live directory has.
 * Input: lines "put FILE MODE OWNER GROUP BASE64" and "drop FILE" (what the original has instead), then "end".
 */
export const stage = `${shared}
# Such a run reads the candidate, and has its own start of Prosody to come.
${lock}
flock --nonblock 9 || exit ${moving}
if ${isCopyLeft}; then ${deleteCopy}; fi
if ${notLater}; then start_later; fi
rm -rf .staged
mkdir .staged
dropped=
while read -r kind file mode owner group content; do
  [ "$kind" = end ] && break
  case $file in */*) mkdir -p ".staged/\${file%/*}";; esac
  if [ "$kind" = put ]; then
    printf %s "$content" | base64 -d > ".staged/$file" &&
      chown "$owner:$group" ".staged/$file" && chmod "$mode" ".staged/$file" || exit 1
  elif there "$original/files/$file"; then
    cp -a "$original/files/$file" ".staged/$file" || exit 1
  else
    : > ".staged/$file"
    dropped="$dropped $file"
  fi
done
find .staged -type d -exec chgrp prosody {} + -exec chmod 0750 {} + || exit 1
find .staged -type d | while read -r staged; do
  live=${directory}\${staged#.staged}
  for entry in "$live"/*; do
    there "$staged/\${entry##*/}" || ! there "$entry" || ln -s "$entry" "$staged/\${entry##*/}" || exit 1
  done
done || exit 1
for file in $dropped; do rm ".staged/$file"; done
`;

/** After {@link stage}: what the host and Prosody say about it. Input follows, see {@link inspectInput}. */
export const inspect = `( ${luaScript} ) 2>&1 || true
`;

export const discard = `rm -rf ${directory}/.staged`;

/**
 * Replaces the live files by the staged ones where they differ.
 * Input: what the service was before the change, in a line; then lines "put FILE" and "drop FILE".
 */
export const swap = `${exclusive}read -r service
files=$(cat)
if ${notLater}; then start_later; fi
[ -d .staged ] || { echo "the candidate is gone: the host has waited for a minute, and started Prosody as it was" >&2; exit 1; }
if [ -e ${movedMark} ] && systemctl --quiet is-active prosody; then
  echo "somebody has started Prosody while its data moved, so that it has written to the old storage; run this again" >&2
  exit 1
fi
previous=.previous
if ! [ -d .previous ]; then
  rm -rf .previous.new
  mkdir .previous.new && echo "$service" > .previous.new/service || exit 1
  previous=.previous.new
fi
mkdir -p $previous/files && touch $previous/absent || exit 1
echo "$files" | while read -r kind file; do
  there "$previous/files/$file" || grep -qxF "$file" $previous/absent && continue
  if there "$file"; then
    case $file in */*) mkdir -p "$previous/files/\${file%/*}";; esac
    same "$file" "$previous/files/$file" || exit 1
  else
    echo "$file" >> $previous/absent || exit 1
  fi
done || exit 1
[ $previous = .previous ] || mv .previous.new .previous || exit 1
[ ! -e ${movedMark} ] || mv ${movedMark} .previous/moved || exit 1
echo "$files" | while read -r kind file; do
  if there ".staged/$file"; then
    if there "$file" && cmp -s ".staged/$file" "$file" &&
      [ "$(stat -c '%a %U %G %F' ".staged/$file")" = "$(stat -c '%a %U %G %F' "$file")" ]; then continue; fi
    case $file in */*) [ -d "\${file%/*}" ] || install -d -m 0750 -o root -g prosody "\${file%/*}";; esac
    mv -fT ".staged/$file" "$file" || exit 1
  else
    [ "$kind" = drop ] && [ -d .staged ] || { echo "the candidate of $file is gone" >&2; exit 1; }
    rm -f "$file" || exit 1
  fi
done || exit 1
rm -rf .staged
`;

/** Puts the previous files back; they stay in \`.previous\` until {@link forget}. Prints what the service was. */
export const restore = `${exclusive}[ -d .previous ] || [ ! -e ${movedMark} ] || ${deleteCopy}
rm -rf .staged
[ -d .previous ] || exit 0
( cd .previous/files && find . ! -type d ) | while read -r file; do
  [ ".previous/files/$file" -ef "$file" ] && ! [ -L "$file" ] && continue
  rm -f "$file.restored"
  same ".previous/files/$file" "$file.restored" && mv -fT "$file.restored" "$file" || exit 1
done || exit 1
while read -r file; do rm -f "$file"; done < .previous/absent
cat .previous/service
`;

export const forget = `${exclusive}${notLater}
# The copy of data whose move was taken back; of others, the archive is made by now.
[ ! -e .previous/moved ] || ${deleteCopy}
rm -rf .previous .previous.new .staged
`;

/**
 * Ends a change: what was there before this program keeps its place in \`original\`; of files that are dropped,
 * which are back in theirs, nothing more is known.
 * Input: "done", or "more" for a change that has no way back but is not at its end, or "adopted" where there was none;
 * then lines "put FILE" and "drop FILE". Prints {@link certificatesPending} where Prosody could not load them before.
 */
export const settle = `${exclusive}read -r end
from=.previous/files
[ -d .previous ] || from=.
mkdir -p "$original/files" && touch "$original/absent" || exit 1
while read -r kind file; do
  if [ "$kind" = drop ]; then
    # What a full disk cuts off would have a destroy leave files of the stack behind.
    grep -vxF "$file" "$original/absent" > "$original/absent.new" || [ $? = 1 ] || exit 1
    mv "$original/absent.new" "$original/absent" && rm -f "$original/files/$file" || exit 1
  elif ! there "$original/files/$file" && ! grep -qxF "$file" "$original/absent"; then
    if there "$from/$file"; then
      case $file in */*) mkdir -p "$original/files/\${file%/*}";; esac
      # In one step: on a full disk, half a copy would pass for the original in the next up.
      cp -a "$from/$file" "$original/part" && mv -fT "$original/part" "$original/files/$file" || exit 1
    else
      echo "$file" >> "$original/absent" || exit 1
    fi
  fi
done
find "$original/files" -type d -empty -delete 2>/dev/null
[ -s "$original/absent" ] || [ -d "$original/files" ] || rm -rf "$original"
rm -rf .staged
[ "$end" != done ] || ${notLater}
if [ "$end" = more ]; then rm -rf .previous/files/* .previous/absent; touch .previous/absent; else rm -rf .previous; fi
[ ! -e ${pendingMark} ] || echo ${certificatesPending}
`;

/**
 * What is there. Input: a file per line, then "end"; {@link inspectInput} follows.
 * Output: lines "file FILE MODE OWNER GROUP BASE64", "cut off STATE" (of the service, before), "copy left", "service STATE", "known".
 */
export const read = `${shared}
while read -r file; do
  [ "$file" = end ] && break
  [ -f "$file" ] && echo "file $file $(stat -c '%a %U %G' "$file") $(base64 -w0 "$file")"
done
[ -d .previous ] && echo "cut off $(cat .previous/service)"
[ -d "$original" ] && echo known
state=$(systemctl is-active prosody)
[ "$state" = inactive ] && [ "$(systemctl show prosody --property LoadState --value)" = masked ] && state=masked
if systemctl --quiet is-active ${startUnit}; then state=activating
elif ${isCopyLeft} && ( ${lock}; flock --nonblock 9 ); then echo "copy left"
fi
echo "service $state"
${inspect}`;

/** Before a deletion: the files as they are, in a dated archive. Prints its path. Input: a file per line. */
export const archive = `${shared}${pack}
[ -d "$original" ] || exit 0
archive=${archiveDirectory}/configuration-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
while read -r file; do ! there "$file" || echo "etc/prosody/$file" || exit 1; done > "$original/archived" || exit 1
pack "$archive" -C / -T "$original/archived" && rm "$original/archived" && echo "$archive"
`;

/**
 * Restarts the service (or starts it) and waits until it can be asked.
 * Input: "socket" or "none", whether it will have an admin socket; then a log file per line.
 * Output: what it logged as an error meanwhile; on standard error, why systemd did not restart it.
 */
export const restart = `
since=$(date +%s)
read -r socket
logs=
while read -r log; do logs="$logs $log $(stat -c %s "$log" 2>/dev/null || echo 0)"; done
before=$(systemctl show prosody --property MainPID --value)
systemctl reset-failed prosody 2>/dev/null
systemctl restart prosody || true
# Counted from here: a server that hangs is given a minute and a half to stop.
deadline=$(($(date +%s) + 30))
while :; do
  pid=$(systemctl show prosody --property MainPID --value)
  state=$(systemctl is-active prosody)
  code=${notRunning}
  case $state in
    active)
      [ "$pid" != "$before" ] || break
      if [ "$socket" = none ]; then [ $(($(date +%s) - since)) -ge 3 ] && code=0
      else ss -Hxlp | grep -q "pid=$pid," && code=0; fi;;
    failed|inactive) break;;
  esac
  [ $code = 0 ] && break
  [ "$(date +%s)" -lt $deadline ] || break
  sleep 0.05
done
set -- $logs
while [ $# -gt 1 ]; do
  size=$(stat -c %s "$1" 2>/dev/null || echo 0)
  start=$(($2 + 1))
  [ "$size" -ge "$2" ] || start=1
  tail -c +$start "$1" 2>/dev/null | grep -P '\\terror\\t' | head -n 30
  shift 2
done
[ $code = 0 ] || journalctl --unit prosody --since "@$since" --output cat --no-pager | tail -n 20
exit $code
`;
