# shellcheck shell=dash disable=SC2086,SC2034,SC2154
# What programs that change a host are made of. `I` is the number of the item at work.

fail() {
  emit failed "$I" 1 "$1"
  exit 1
}

# Runs a command without the stream and without the lock, so that a daemon that it leaves behind holds neither.
run() {
  out=$("$@" 2>&1 3<&- 9>&-) || fail "$1 failed ($?)$NL$out"
}

# Runs a command whose standard input is so many bytes of the stream: secrets go no other way.
feed() {
  bytes=$1
  shift
  out=$(take "$bytes" | "$@" 2>&1 9>&-) || fail "$1 failed ($?)$NL$out"
}

# A temporary name in the folder that $1 lies in, where nothing of an earlier run is left.
beside() {
  folder=${1%/*}
  if [ ! -d "$folder/" ]; then fail "$folder is not there"; fi
  rm -f -- "$folder"/.incline.*.tmp
  temporary=$folder/.incline.$$.tmp
}

# Gives the temporary file its final name.
place() { # path
  if [ -d "$1" ]; then
    # Moved onto a link to a folder, it would end up inside.
    if [ -L "$1" ]; then rm -f -- "$1"; else fail "$1 is a folder"; fi
  fi
  out=$(mv -fT -- "$temporary" "$1" 2>&1) || fail "$out"
  temporary=
}

# Gives the temporary file its owner and mode and then, whole and on the disk, its final name.
settle() { # path mode owner group
  out=$(chown -- "$3:$4" "$temporary" 2>&1) || fail "$out"
  out=$(chmod -- "$2" "$temporary" 2>&1) || fail "$out"
  sync "$temporary" || sync
  place "$1"
  sync "${1%/*}/" || sync
  if [ -e /sys/fs/selinux/enforce ] && has restorecon; then restorecon -F -- "$1"; fi
}

# Writes a file from the stream.
put() { # path mode owner group bytes sha256
  beside "$1"
  # In one group, so that the shell's own words about a full or read-only disk are caught.
  out=$({ take "$5" >"$temporary"; } 2>&1) || fail "$1 cannot be written: ${out:-the disk may be full, or read-only}"
  sum=$(sha256sum <"$temporary")
  if [ "${sum%% *}" != "$6" ]; then fail "$1 did not arrive whole; nothing was changed"; fi
  settle "$1" "$2" "$3" "$4"
}

# Takes a file over that a tool has made at the temporary name, if it has the right digest.
check() { # path program digest
  sum=$("$2" <"$temporary")
  if [ "${sum%% *}" != "$3" ]; then fail "$1: what was fetched has the digest ${sum%% *} and not the pinned $3"; fi
}

# Fetches an address into the temporary file.
fetch() {
  if has curl; then
    out=$(curl --fail --silent --show-error --location --connect-timeout 20 --output "$temporary" -- "$1" 2>&1 3<&- 9>&-) || fail "$1 cannot be fetched: $out"
  elif has wget; then
    out=$(wget -q -T 20 -O "$temporary" "$1" 2>&1 3<&- 9>&-) || fail "$1 cannot be fetched: ${out:-wget failed}"
  else
    fail "$1 cannot be fetched: neither curl nor wget is on the host"
  fi
}
