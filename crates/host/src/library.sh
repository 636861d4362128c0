# shellcheck shell=dash disable=SC2086,SC2034
# What every program that incline sends to a host begins with. Plain POSIX (dash, bash, busybox ash): all that is needed on
# a host is a shell, coreutils or busybox. Lines that begin with `#` are not sent.
#
# The stream that incline writes is file 3; no command ever reads from it by accident. What is answered are frames:
#   @@NONCE TOPIC INDEX STATUS LENGTH <newline> LENGTH bytes <newline>
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin
export LC_ALL PATH
unset CDPATH ENV IFS
umask 077
exec 3<&0 </dev/null 2>/dev/null
NL='
'
T=
I=0
sums=
temporary=

has() { command -v "$1" >/dev/null 2>&1; }
# Nothing that only looks may hang for ever, as a dead NFS server makes it.
if has timeout; then T='timeout 30'; fi

# topic, index, status, text
emit() { printf '@@%s %s %s %s %s\n%s\n' "$NONCE" "$1" "$2" "$3" "${#4}" "$4" || exit 1; }

# The stream's next bytes, to standard output. dd alone is sure to read no byte more (busybox's head reads ahead).
take() {
  if [ $(($1 / 65536)) -gt 0 ]; then dd bs=65536 count=$(($1 / 65536)) iflag=fullblock <&3 || return; fi
  if [ $(($1 % 65536)) -gt 0 ]; then dd bs=$(($1 % 65536)) count=1 iflag=fullblock <&3 || return; fi
}

# When a process began: with its number, a name that is never given twice before the next boot.
began() {
  set -- $(cat "/proc/$1/stat")
  printf '%s' "${22}"
}

busy() {
  emit busy 0 1 "$1"
  exit 0
}

# One changes, or many look. The kernel frees the lock when this shell ends, whatever ends it.
lock() {
  file=/run/incline.lock
  if ! (: >>"$file"); then
    if [ "$1" = shared ]; then return; fi
    emit refused 0 1 "$file cannot be written"
    exit 0
  fi
  if has flock; then
    exec 9>>"$file"
    holder=
    if [ "$1" = shared ]; then set -- -s; else set -- -x; fi
    if ! flock -n "$1" 9; then
      IFS= read -r holder <"$file"
      busy "$holder"
    fi
    printf '%s\n' "$WHO" >"$file"
    return
  fi
  # No flock (a bare busybox): a file that names a living process.
  held=/run/incline.holder
  if read -r pid since holder <"$held"; then
    if [ "$(began "$pid")" = "$since" ]; then busy "$holder"; fi
    rm -f "$held"
  fi
  if [ "$1" = exclusive ]; then
    if ! (set -C; printf '%s %s %s\n' "$$" "$(began $$)" "$WHO" >"$held"); then
      read -r pid since holder <"$held"
      busy "$holder"
    fi
    mine=$held
  fi
}

mine=
leave() {
  if [ -n "$temporary" ]; then rm -f -- "$temporary"; fi
  if [ -n "$mine" ]; then rm -f -- "$mine"; fi
}
trap leave EXIT
trap 'exit 1' HUP INT PIPE TERM
