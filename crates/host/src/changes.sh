# shellcheck shell=dash disable=SC2086,SC2034,SC2154
# What programs that change a host are made of. `I` is the number of the item at work.
ready=

fail() {
  release
  emit failed "$I" 1 "$1"
  exit 1
}

# Runs a command without the stream and without the lock, so that a daemon that it leaves behind holds neither.
run() {
  out=$("$@" 2>&1 3<&- 9>&-) || fail "$1 failed ($?)$NL$out"
}

# Starts a unit. systemctl says only that it failed; why, the unit's own last words say.
started() { # verb unit
  systemctl reset-failed "$2"
  out=$(systemctl "$1" "$2" 2>&1 3<&- 9>&-) || fail "systemctl $1 $2 failed ($?)$NL$(journalctl -u "$2" -n 6 -o cat --no-pager)"
}

# Makes or joins a cluster. Of what kubeadm says when it fails, the last line is advice to whoever develops it.
kubeadm_or_fail() { # command configuration
  out=$(kubeadm "$1" --config "$2" 2>&1 3<&- 9>&-) || fail "kubeadm $1 failed ($?)$NL$(printf '%s\n' "$out" | grep -v 'stack trace of this error')"
}

# Runs a command whose standard input is so many bytes of the stream: secrets go no other way.
feed() {
  bytes=$1
  shift
  out=$(take "$bytes" | "$@" 2>&1 9>&-) || fail "$1 failed ($?)$NL$out"
}

# Makes a folder, and those above it, for everyone to enter: the umask of these programs would shut them.
folder() {
  umask 022
  run mkdir -p -- "$1"
  umask 077
}

# A temporary name in the folder that $1 lies in, where nothing of an earlier run is left.
beside() {
  folder=${1%/*}
  if [ ! -d "$folder/" ]; then fail "$folder is not there"; fi
  for old in "$folder"/.incline.*.tmp; do if [ -e "$old" ]; then rm -f -- "$old"; fi; done
  temporary=$folder/.incline.$$.tmp
}

# Gives the temporary file its final name.
place() { # path
  if [ -d "$1" ]; then
    # Moved onto a link to a folder, it would end up inside.
    if [ -L "$1" ]; then rm -f -- "$1"; else fail "$1 is a folder"; fi
  fi
  # Asked again only to hear why not.
  mv -fT -- "$temporary" "$1" || out=$(mv -fT -- "$temporary" "$1" 2>&1) || fail "$out"
  temporary=
}

# Gives the temporary file its owner and mode, sees it onto the disk, and gives it its final name. `ready` is the mode that
# it was made with, `synced` says that it is on the disk.
settle() { # path mode owner group
  # A new file is root's, but for its group where the folder passes its own on.
  if [ "$3:$4" != root:root ] || [ -g "${1%/*}/" ]; then out=$(chown -- "$3:$4" "$temporary" 2>&1) || fail "$out"; fi
  if [ "$ready" != "$2" ]; then out=$(chmod -- "$2" "$temporary" 2>&1) || fail "$out"; fi
  if [ -z "$synced" ]; then sync "$temporary" || sync; fi
  ready=
  synced=
  place "$1"
  if [ -e /sys/fs/selinux/enforce ] && has restorecon; then restorecon -F -- "$1"; fi
}

# Makes the temporary file of the stream, with a mode that needs no process to set, and sees it onto the disk.
receive() { # mode bytes
  ready=$1
  case "$1" in
  0644) umask 022 ;;
  0640) umask 027 ;;
  0600) ;;
  *) ready= ;;
  esac
  synced=conv=fsync
  take "$2" >"$temporary" || {
    out=$({ printf x >>"$temporary"; } 2>&1)
    fail "$path cannot be written: ${out:-the disk is full}"
  }
  umask 077
}

# Writes a file from the stream.
put() { # path mode owner group bytes sha256
  path=$1
  beside "$1"
  receive "$2" "$5"
  sum=$(sha256sum <"$temporary")
  if [ "${sum%% *}" != "$6" ]; then fail "$1 did not arrive whole; nothing was changed"; fi
  settle "$1" "$2" "$3" "$4"
}

# Sees the names of what was written onto the disk.
ashore() { sync -- "$@" || sync; }

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

# What a package's own scripts ask has no answer here; another apt at work is waited for.
apt_get() {
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  out=$(apt-get -y -q --no-install-recommends --allow-downgrades --allow-change-held-packages -o DPkg::Lock::Timeout=120 "$@" 2>&1 3<&- 9>&-)
}

apt_install() {
  # The lists may be old, or none; then once more with new ones.
  if ! apt_get install -- "$@"; then
    run apt-get -q update
    apt_get install -- "$@" || fail "apt-get install failed ($?)$NL$out"
  fi
}

# Asks the member of etcd on this host. A list of members has a line each: ID, status, name, peers, clients, learner.
etcd() {
  timeout 30 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
    --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key "$@"
}

# Waits until the API is ready again.
api_ready() { # what was done to it
  tries=0
  until kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ]; then fail "the API is not ready, two minutes after $1"; fi
    sleep 1
  done
}

# Keeps kubeadm's configuration and the kubelets' settings in the cluster, from where whoever joins or is upgraded has them. An API
# server that has just started again knows nobody's rights for a moment.
keep_settings() {
  tries=0
  until out=$(kubeadm init phase upload-config all --config /etc/incline/kubeadm/init.yaml 2>&1 3<&- 9>&-); do
    tries=$((tries + 1))
    if [ "$tries" -ge 12 ]; then fail "the configuration cannot be kept in the cluster$NL$out"; fi
    sleep 5
  done
}

# Takes a node's work away. Budgets are honoured: what may not be disturbed now keeps its place, and the node takes work as before.
drain() { # node
  cordoned=$(kubectl get node "$1" --ignore-not-found -o 'jsonpath={.spec.unschedulable}')
  if [ "$cordoned" != true ]; then run kubectl annotate node "$1" --overwrite incline/drained=yes; fi
  out=$(kubectl drain "$1" --ignore-daemonsets --delete-emptydir-data --timeout=300s --skip-wait-for-delete-timeout=60 2>&1 3<&- 9>&-) || {
    why=$out
    if [ "$cordoned" != true ]; then
      run kubectl uncordon "$1"
      run kubectl annotate node "$1" incline/drained-
    fi
    fail "$1 cannot be drained$NL$why"
  }
}

# Ends the tokens in whose line of kubeadm's list a text stands.
revoke() { # text
  for token in $(kubeadm token list --kubeconfig /etc/kubernetes/admin.conf 2>/dev/null | sed -n "s/^\([a-z0-9]\{6\}\)\..*$1.*/\1/p"); do
    kubeadm token delete --kubeconfig /etc/kubernetes/admin.conf "$token" >/dev/null
  done
}

# Takes the members of a name out of etcd, and with them those that never started: they have no name.
forget() { # name
  members=$(etcd member list 2>&1) || fail "etcd does not answer$NL$members"
  stale=$(printf '%s\n' "$members" | sed -n -e "s/^\([0-9a-f]*\), [a-z]*, $1, .*/\1/p" -e 's/^\([0-9a-f]*\), unstarted, .*/\1/p')
  for member in $stale; do run etcd member remove "$member"; done
}
