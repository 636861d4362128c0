# shellcheck shell=dash disable=SC2086,SC2034
# What every program that incline sends to a host begins with. Plain POSIX (dash, bash, busybox ash): all that is needed on
# a host is a shell, coreutils or busybox. Lines that begin with `#` are not sent.
#
# The stream that incline writes is file 3; no command ever reads from it by accident. What is answered are frames:
#   @@NONCE TOPIC INDEX STATUS LENGTH <newline> LENGTH bytes <newline>
LC_ALL=C
# The distribution's own tools come first: a false sha256sum in /usr/local would hide a changed file.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/opt/bin:/opt/incline/bin
export LC_ALL PATH
unset CDPATH ENV IFS
umask 077
exec 3<&0 </dev/null 2>/dev/null
NL='
'
T=
I=0
temporary=
synced=
lock_held=
lock_last=
lock_who=

has() { command -v "$1" >/dev/null 2>&1; }
# What asks a daemon or runs somebody's command may not hang for ever. Plain files are asked without: a process more for
# each question would cost more than all the rest.
if has timeout; then T='timeout 30'; fi

# topic, index, status, text
emit() { printf '@@%s %s %s %s %s\n%s\n' "$NONCE" "$1" "$2" "$3" "${#4}" "$4" || exit 1; }

# The stream's next bytes, to standard output. dd alone is sure to read no byte more (busybox's head reads ahead).
take() {
  if [ $(($1 / 65536)) -gt 0 ]; then dd bs=65536 count=$(($1 / 65536)) iflag=fullblock $synced <&3 || return; fi
  if [ $(($1 % 65536)) -gt 0 ]; then dd bs=$(($1 % 65536)) count=1 iflag=fullblock $synced <&3 || return; fi
}

# When a process began: with its number, a name that is never given twice before the next boot (proc(5), field 22).
began() {
  since=
  if [ -n "$1" ]; then read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ since _ <"/proc/$1/stat"; fi
}

busy() {
  emit busy 0 1 "$1"
  exit 0
}

# Who changes the host holds a lock that the kernel frees when this shell ends, whatever ends it, and writes its name into
# a file: its process, when that began, the run, and who it is.
lock_file=/run/incline.holder

# Whether somebody changes the host; and, in `lock_last`, who did so last. It takes no process to find out.
is_held() {
  lock_last=
  lock_pid=
  IFS= read -r lock_last <"$lock_file"
  read -r lock_pid born run lock_who <"$lock_file"
  began "$lock_pid"
  [ -n "$lock_pid" ] && [ "$since" = "$born" ]
}

# Ends if somebody changes the host. Who is about to end is waited for.
look() {
  if is_held; then
    sleep 1
    if is_held; then busy "$lock_who"; fi
  fi
}

# Ends if somebody has changed the host since `look`: what was seen may be half of this and half of that.
looked() {
  lock_before=$lock_last
  if is_held || [ "$lock_last" != "$lock_before" ]; then busy "$lock_who"; fi
}

# Keeps everyone else from changing the host, and from believing what they see of it.
lock() {
  if ! true >>/run/incline.lock; then
    emit refused 0 1 '/run/incline.lock cannot be written'
    exit 0
  fi
  look
  if has flock; then
    exec 9>>/run/incline.lock
    if ! flock -n 9; then
      sleep 1
      if ! flock -n 9; then is_held; busy "$lock_who"; fi
    fi
  fi
  # A bare busybox has no flock: there, who makes the file first holds the lock.
  rm -f "$lock_file"
  began $$
  if ! (set -C; printf '%s %s %s %s\n' "$$" "$since" "$NONCE" "$WHO" >"$lock_file"); then is_held; busy "$lock_who"; fi
  lock_held=yes
}

# Nothing more is changed: told before the end is, so that who comes next need not wait for this shell to be gone.
release() {
  if [ -n "$lock_held" ]; then printf '0 0 %s %s\n' "$NONCE" "$WHO" >"$lock_file"; fi
  lock_held=
}

leave() {
  release
  if [ -n "$temporary" ]; then rm -f -- "$temporary"; fi
}
trap leave EXIT
trap 'exit 1' HUP INT PIPE TERM
