# shellcheck shell=dash disable=SC2154
# How a control-plane host gives etcd back what a snapshot holds
# (https://etcd.io/docs/v3.6/op-guide/recovery/). Sent after changes.sh.

# Where a snapshot is unpacked: beside etcd's own data, and as safely.
unpacked=/var/lib/etcd/restore

# Decrypts a snapshot with an identity that comes on the stream, and looks whether it is whole. A host that is no member yet takes
# from it the keys that a cluster is founded with.
restore_unpack() { # snapshot, or nothing for the newest; bytes of the identity
  snapshot=$1
  if [ -z "$snapshot" ]; then for file in /var/lib/incline/snapshots/etcd-*.age; do snapshot=$file; done; fi
  if [ ! -e "$snapshot" ]; then fail 'there is no snapshot on this host'; fi
  if ! has age; then fail 'age is not on this host: apply its stage prepare first'; fi
  work=$unpacked
  # Memory, not a disk; and kubeadm founds nothing where there is something of etcd.
  if [ ! -e /etc/kubernetes/kubelet.conf ]; then work=/run/incline/restore; fi
  run rm -rf -- "$work"
  run mkdir -p -- "$work"
  out=$(take "$2" | age --decrypt --identity - --output "$work/snapshot.tar" -- "$snapshot" 2>&1 9>&-) || fail "$snapshot cannot be decrypted$NL$out"
  run tar -x -f "$work/snapshot.tar" -C "$work"
  run rm -f -- "$work/snapshot.tar"
  if [ ! -e "$work/etcd.db" ] || [ ! -e "$work/pki/ca.crt" ]; then fail "$snapshot is no snapshot of incline's"; fi
  if [ "$work" = "$unpacked" ]; then
    out=$(etcdutl snapshot status "$work/etcd.db" 2>&1 3<&- 9>&-) || fail "$snapshot is not whole$NL$out"
    if ! cmp -s "$work/pki/ca.crt" /etc/kubernetes/pki/ca.crt; then
      fail 'the snapshot is of a cluster with another authority: reset this host, restore to found the cluster with the keys of the snapshot, apply, and restore again'
    fi
    return
  fi
  run mkdir -p -- /etc/kubernetes
  run cp -R -- "$work/pki" "$work/encryption.yaml" /etc/kubernetes/
  run rm -rf -- "$work"
  ashore /etc/kubernetes
}

# What etcd is told by its manifest.
etcd_said() { # option manifest
  sed -n "s/^ *- --$1=//p" "$2"
}

# Takes a host out of the control plane: its etcd must not answer for the old data.
restore_leave() {
  data=$(etcd_said data-dir /etc/kubernetes/manifests/etcd.yaml)
  run kubeadm reset --force --cri-socket unix:///run/containerd/containerd.sock --skip-phases remove-etcd-member
  if [ -n "$data" ]; then run rm -rf -- "$data"; fi
}

# Whether the API server still runs, or somebody holds etcd's data (etcd locks its file for as long as it runs).
restore_runs() {
  for file in /proc/[0-9]*/comm; do
    read -r comm <"$file"
    if [ "$comm" = kube-apiserver ]; then return; fi
  done
  [ -e "$data/member/snap/db" ] && ! flock -n "$data/member/snap/db" true
}

# Gives the unpacked snapshot to etcd, of which this host is the one member then. What etcd held before is kept beside it. Whoever
# watches the API must not believe that it is older than what they have seen: revisions go up, and old ones are gone.
restore_swap() {
  manifests=/etc/kubernetes/manifests
  aside=/etc/kubernetes/restoring
  # Nothing stands between an interruption and the next run.
  run mkdir -p -- "$aside"
  for manifest in "$manifests"/*.yaml; do if [ -e "$manifest" ]; then run mv -f -- "$manifest" "$aside/"; fi; done
  name=$(etcd_said name "$aside/etcd.yaml")
  peer=$(etcd_said initial-advertise-peer-urls "$aside/etcd.yaml")
  data=$(etcd_said data-dir "$aside/etcd.yaml")
  if [ -z "$name" ] || [ -z "$peer" ] || [ -z "$data" ]; then fail "$aside/etcd.yaml does not say who this member is"; fi
  tries=0
  while restore_runs; do
    tries=$((tries + 1))
    if [ "$tries" -ge 120 ]; then fail 'etcd does not end, two minutes after its manifest was taken away'; fi
    sleep 1
  done
  run rm -rf -- "$unpacked/data"
  run etcdutl snapshot restore "$unpacked/etcd.db" --data-dir "$unpacked/data" --name "$name" \
    --initial-cluster "$name=$peer" --initial-advertise-peer-urls "$peer" --bump-revision 1000000000 --mark-compacted
  if [ -d "$data/member" ]; then
    run rm -rf -- /var/lib/etcd/before-restore
    run mv -- "$data/member" /var/lib/etcd/before-restore
  fi
  run mkdir -p -- "$data"
  run mv -- "$unpacked/data/member" "$data/member"
  ashore /var/lib/etcd
  run rm -rf -- "$unpacked"
  for manifest in "$aside"/*.yaml; do run mv -f -- "$manifest" "$manifests/"; done
  run rmdir -- "$aside"
  api_ready 'etcd was restored'
  # Tokens of the day of the snapshot let nobody in.
  revoke ''
}
