import { base, leaveUsed, listing } from "../own-directory";

/** Prints "MARK NAME" for each module of a directory. */
const names = `names() {
  for entry in "$2"/mod_*; do
    name=\${entry##*/mod_}
    case $entry in
      *.lua) [ -f "$entry" ] && echo "$1 \${name%.lua}";;
      *) [ -f "$entry/mod_$name.lua" ] && echo "$1 $name";;
    esac
  done
}
`;

/** Sets `own`, Prosody's own plugin directory, and prints the modules that the distribution's package has there. */
const packaged = `own=$(sed -nE "s/^CFG_PLUGINDIR *= *['\\"]([^'\\"]*).*/\\1/p" "$(command -v prosodyctl)" 2>/dev/null)
own=\${own%/}
packaged() {
  { dpkg -L prosody-modules || rpm -ql prosody-modules; } 2>/dev/null |
    sed -nE "s,^$own/mod_([A-Za-z0-9_]+)(/mod_[A-Za-z0-9_]+)?\\.lua$,\\1,p"
}
`;

/**
 * What is there. Input: the plugin directory, or an empty line.
 * Output: lines "file SHA256 PATH"; "module NAME" for each that Prosody finds without that directory; "packaged NAME"
 * for those of them that the distribution's package of community modules brought.
 */
export const read = `${names}${packaged}read -r path
${listing}[ -n "$own" ] && names module "$own"
names module /usr/local/lib/prosody/modules
packaged | sed 's/^/packaged /'
true`;

/**
 * Puts modules of a Mercurial repository into a plugin directory. The clone is kept, without a working copy, and what
 * it has is not fetched again.
 * Input: source, revision, plugin directory, name of the clone, then the wanted modules, one a line.
 * Output: "node HASH", "offered NAME" per module of the revision, "brought NAME" per module that others need.
 */
export const fetch = `${packaged}set -eu
umask 022
export HGPLAIN=1
read -r source; read -r revision; read -r path; read -r clone
wanted=$(cat)
mkdir -p ${base}
cd ${base}
hg() { command hg --noninteractive "$@"; }
if ! [ -d "$clone/.hg" ]; then
  rm -rf "$clone"
  hg init "$clone"
fi
case $revision in
  *[!0-9a-f]*) is_hash=no;;
  *) is_hash=yes;;
esac
node=
if [ $is_hash = yes ]; then node=$(hg -R "$clone" log -r "id('$revision')" -T '{node}' 2>/dev/null || true); fi
if [ -z "$node" ]; then
  node=$(hg identify --id -r "$revision" -T '{id}' "$source")
  hg -q -R "$clone" pull -r "$node" "$source" >&2
fi
if [ $is_hash = yes ] && [ "\${node#"$revision"}" = "$node" ]; then
  echo "$source answers with the revision $node, which is not the one that was asked for" >&2
  exit 1
fi
[ "$(hg -R "$clone" log -r "id('$node')" -T '{node}')" = "$node" ] || { echo "revision $node did not arrive" >&2; exit 1; }
offered=$(hg -R "$clone" manifest -r "$node" |
  sed -nE 's,^mod_([A-Za-z0-9_]+)/mod_\\1\\.lua$,\\1,p; s,^mod_([A-Za-z0-9_]+)\\.lua$,\\1,p')
[ -n "$offered" ] || { echo "revision $node of $source has no module" >&2; exit 1; }
echo "node $node"
for name in $offered; do echo "offered $name"; done
is_offered() { echo "$offered" | grep -qx "$1"; }
packaged=$(packaged)
# What Prosody has itself is taken from there.
is_core() { { [ -e "$own/mod_$1.lua" ] || [ -e "$own/mod_$1" ]; } && ! echo "$packaged" | grep -qx "$1"; }
new=$path.new
rm -rf "$new"
trap 'rm -rf "$new" "$new.part"' EXIT
mkdir "$new"
seen=
todo=$wanted
while [ -n "$todo" ]; do
  patterns=
  for name in $todo; do
    if echo "$seen" | grep -qx "$name" || ! is_offered "$name"; then continue; fi
    seen="$seen
$name"
    if ! echo "$wanted" | grep -qx "$name"; then echo "brought $name"; fi
    patterns="$patterns -I path:mod_$name -I path:mod_$name.lua"
  done
  [ -n "$patterns" ] || break
  hg -q -R "$clone" archive -r "$node" --type files $patterns "$new.part" >&2
  cp -R "$new.part/." "$new/"
  needed=$(grep -rhoE "module:depends *\\(? *[\\"'][A-Za-z0-9_]+" "$new.part" | grep -oE '[A-Za-z0-9_]+$' | sort -u)
  rm -rf "$new.part"
  todo=
  for name in $needed; do
    is_core "$name" || todo="$todo $name"
  done
done
rm -f "$new/.hg_archival.txt"
printf '%s\\n' "$source" "$node" > "$new/.revision"
rm -rf "$path.old"
[ ! -e "$path" ] || mv "$path" "$path.old"
mv "$new" "$path"
rm -rf "$path.old"
`;

/**
 * Removes a plugin directory, unless it is in use, and a clone that no other one is of.
 * Input: plugin directory, name of the clone or an empty line, and its source.
 */
const removal = (unless: string) => `set -eu
read -r path; read -r clone; read -r source
${unless}rm -rf "$path" "$path.new" "$path.old"
[ -d ${base} ] || exit 0
cd ${base}
if [ -n "$clone" ] && ! grep -qxF -e "$source" ./*/.revision 2>/dev/null; then rm -rf "$clone"; fi
cd /
rmdir ${base} 2>/dev/null || true
`;

export const remove = removal(leaveUsed);

/** The same for a directory that is about to be made anew. */
export const clear = removal("");
