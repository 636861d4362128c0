# shellcheck shell=dash disable=SC2086,SC2034,SC2154
# What kubeadm would make, by a dry run: sent to nodes alone, with what asks for it.

# What kubeadm would make of a configuration: it is left in the folder `would`, or what kubeadm says in `out`.
kubeadm_would() { # configuration, patch of the API server, phase of kubeadm init
  would=/run/incline.would.$$
  mkdir -p "$would/patches"
  printf '%s' "$1" | sed "s,/etc/incline/kubeadm/patches,$would/patches," >"$would/config"
  if [ -n "$2" ]; then printf '%s' "$2" >"$would/patches/kube-apiserver+merge.yaml"; fi
  shift 2
  out=$(KUBEADM_INIT_DRYRUN_DIR=$would $T kubeadm init phase "$@" --dry-run --config "$would/config" 2>&1 3<&- 9>&-)
}

# The same for the kubelet of a node. A worker has no key of the cluster's authority, which kubeadm would ask for beside the
# authority's certificate: it is told to look elsewhere.
kubelet_would() { # configuration
  pki=/run/incline.would.$$/pki
  kubeadm_would "$(printf '%s\n' "$1" | sed "/^kind: ClusterConfiguration/a certificatesDir: $pki")" '' kubelet-start || return
  sed "s,$pki/,/etc/kubernetes/pki/," "$would/config.yaml" >"$would/config" && mv -f "$would/config" "$would/config.yaml"
}

# Puts beside each other, into `text`, what kubeadm would make and what there is, as would.rs reads it.
would_beside() { # status of the dry run, what there is where kubeadm takes no such configuration, folder, its files
  separator=$(printf '\036')
  text=$(kubeadm version -o short)
  if [ "$1" -eq 0 ]; then
    made=$3
    shift 3
    for name; do
      text="$text$separator$made/$name$separator$(cat "$would/$name")$separator$(cat "$made/$name")"
    done
  else
    text="$text$separator$2$separator$out"
  fi
  rm -rf "$would"
}
