"""What runs on a host: POSIX shell with coreutils or BusyBox. Every value comes as an argument, every file's content by stdin.

A host's folder of the state is ``$1``. Exit code 9 says that the host does not have what the writer believed; it changed
nothing. The last line of what changed something is ``done``: without it, nothing is believed.
"""

from __future__ import annotations

CONFLICT = 9
DONE = "done"

#: Print ``HASH  PATH`` of the files that match the patterns ``$2…``.
SURVEY = """\
[ -d "$1" ] || exit 0
cd "$1" || exit 1
shift
for pattern; do
  for file in $pattern; do
    [ -f "$file" ] && set -- "$@" "$file"
  done
  shift
done
[ $# -gt 0 ] || exit 0
if command -v sha256sum >/dev/null; then exec sha256sum -- "$@"; fi
exec shasum -a 256 -- "$@"
"""

#: Print the content of the files ``$2…``, which are text.
SHOW = """\
cd "$1" && shift && exec cat -- "$@"
"""

#: Make the folder ``$2`` below ``$1`` and those above it, and have their names on the disk.
_FOLDER = """\
umask 077
folder() {
  [ -d "$1" ] && return 0
  mkdir -p -- "$1" || return 1
  path=$1
  while [ -n "$path" ] && [ "$path" != / ]; do
    path=${path%/*}
    set -- "$@" "${path:-/}"
  done
  sync -- "$@"
}
"""

#: Put stdin, whose SHA-256 is ``$4``, in place as ``$2/$3@N@HASH`` (``$5``), where ``$6…`` are there now and go.
PUT = f"""\
{_FOLDER}
home=$1 folder=$2 name=$3 hash=$4 new=$5
shift 5
folder "$home/$folder" || exit 1
cd "$home/$folder" || exit 1
wanted=" $* "
for file in "$name"@*; do
  [ -f "$file" ] || continue
  case $wanted in *" $file "*) ;; *) exit {CONFLICT} ;; esac
done
part=".$name.part"
trap 'rm -f -- "$part"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cat >"$part" || exit 1
if command -v sha256sum >/dev/null; then found=$(sha256sum <"$part"); else found=$(shasum -a 256 <"$part"); fi
[ "${{found%% *}}" = "$hash" ] || {{ echo "it arrived incomplete" >&2; exit 1; }}
sync -- "$part" && mv -f -- "$part" "$new" && sync -- . || exit 1
trap - EXIT
for file; do [ "$file" = "$new" ] || rm -f -- "$file"; done
echo {DONE}
"""

#: Append stdin, ``$4`` bytes, to ``$2/journal``, which has ``$3`` bytes now.
APPEND = f"""\
{_FOLDER}
folder "$1/$2" || exit 1
cd "$1/$2" || exit 1
file=journal
if [ -f "$file" ]; then size=$(wc -c <"$file"); else size=0; fi
[ "$size" -eq "$3" ] || exit {CONFLICT}
cat >>"$file" && size=$(wc -c <"$file") && [ "$size" -eq "$(($3 + $4))" ] && sync -- "$file" || {{
  dd of="$file" bs=1 seek="$3" count=0 2>/dev/null
  exit 1
}}
[ "$3" -gt 0 ] || sync -- . || exit 1
echo {DONE}
"""

#: Unpack the tar archive on stdin over the state: each file whole; then remove the files ``$2…``.
RECEIVE = f"""\
{_FOLDER}
folder "$1" || exit 1
cd "$1" || exit 1
shift
rm -rf .incoming && mkdir .incoming || exit 1
trap 'rm -rf .incoming' EXIT
trap 'exit 1' HUP INT PIPE TERM
rm -f releases/*/.*.part releases/*/bundle/.*.part
tar -xf - -C .incoming || exit 1
sync
(cd .incoming && find . -type f) | while IFS= read -r file; do
  mkdir -p -- "${{file%/*}}" && mv -f -- ".incoming/$file" "$file" || exit 1
done || exit 1
sync
for file; do rm -f -- "$file"; done
echo {DONE}
"""
