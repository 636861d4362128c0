#!/bin/sh
# Real hosts on this machine, each in a network namespace of its own: a Debian tree under sshd, a bare busybox under
# sshd, a machine with systemd (systemd-nspawn), a machine with systemd and control groups of its own, as Kubernetes
# needs them, or a virtual machine with a kernel and disks of its own. Nothing of it reaches any network but its own.
#
#   lab.sh tree TREE                     make the Debian tree that hosts stand on
#   lab.sh vmtree TREE                   make the tree of virtual machines, of a newer Debian
#   lab.sh up LAB TREE KIND COUNT        make a lab: LAB/key logs in, LAB/N/root is host N's tree, LAB/N/log its sshd's log
#   lab.sh crowd LAB TREE COUNT          make a lab of hosts that share one sshd: each a tree of its own at 127.1.A.B
#   lab.sh start LAB N                   start host N (up has done so)
#   lab.sh stop LAB N                    cut host N's power
#   lab.sh run LAB COMMAND …             run a command where the lab's hosts can be reached
#   lab.sh ssh LAB N TEXT                run shell text on host N as root
#   lab.sh shell LAB N                   a shell of root's on host N
#   lab.sh down LAB                      end all of it
#
# Host N has the address 10.99.1.N, whoever asks is 10.99.0.1. KIND is debian, busybox, systemd, node or vm. A virtual
# machine has the disks /dev/disk/by-id/virtio-data1 and -data2, of 1 GiB, which are the files LAB/N/data1 and -data2; its
# console is LAB/N/log.
set -eu

name() { printf 'incline-%s' "$(basename "$1")"; }

tree() {
  mmdebstrap --quiet --variant=apt --include=openssh-server,sudo,systemd,systemd-sysv,dbus,iproute2,procps,kmod,busybox-static,curl,gnupg,apt-utils,nfs-kernel-server,xfsprogs,util-linux,cryptsetup-bin,python3-minimal,python3-apt,dnf,rpm,createrepo-c,dnf-plugins-core,containerd,containernetworking-plugins,age,openssl,e2fsprogs,file bookworm "$1"
  chroot "$1" useradd --create-home --shell /bin/bash --password '*' ops
  echo 'ops ALL=(root) NOPASSWD: ALL' >"$1/etc/sudoers.d/ops"
  rm -f "$1"/etc/ssh/ssh_host_*
  # Nothing in a test machine may ask the network for anything.
  for unit in apt-daily.timer apt-daily-upgrade.timer ssh.socket e2scrub_all.timer rpcbind.service rpcbind.socket nfs-server.service systemd-resolved.service; do
    ln -sf /dev/null "$1/etc/systemd/system/$unit"
  done
  mkdir -p "$1/jail"
}

# A kernel with dm-crypt, an NFS server and RPC over TLS, and the tools for them.
vmtree() {
  mmdebstrap --quiet --variant=minbase --include=linux-image-cloud-amd64,systemd,systemd-sysv,udev,dbus,openssh-server,sudo,iproute2,procps,kmod,curl,iputils-ping,nftables,openssl,cryptsetup-bin,clevis-luks,clevis-tpm2,tang,jose,xfsprogs,e2fsprogs,age,nfs-kernel-server,nfs-common,ktls-utils,strongswan-swanctl,charon-systemd,libstrongswan-standard-plugins,bird2,ca-certificates trixie "$1"
  chroot "$1" useradd --create-home --shell /bin/bash --password '*' ops
  echo 'ops ALL=(root) NOPASSWD: ALL' >"$1/etc/sudoers.d/ops"
  rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id"
  for unit in apt-daily.timer apt-daily-upgrade.timer ssh.socket tangd.socket nfs-server.service nfs-blkmap.service tlshd.service e2scrub_all.timer systemd-timesyncd.service strongswan.service bird.service; do
    chroot "$1" systemctl disable "$unit" >/dev/null 2>&1 || true
  done
  chroot "$1" systemctl enable ssh.service systemd-networkd.service >/dev/null 2>&1
}

# What a host's sshd is told.
configure() { # lab number kind
  root=$1/$2/root
  ssh-keygen -q -t ed25519 -N '' -C "host $2" -f "$root/etc/ssh/ssh_host_ed25519_key"
  cp "$1/key.pub" "$root/etc/ssh/authorized_keys"
  echo "host-$2" >"$root/etc/hostname"
  cp "$root/etc/ssh/ssh_host_ed25519_key.pub" "$1/$2/host.pub"
  cat >"$root/etc/ssh/sshd_config" <<CONFIG
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
Subsystem sftp /usr/lib/openssh/sftp-server
LogLevel VERBOSE
MaxStartups 200
CONFIG
  if [ "$3" = busybox ]; then
    echo 'ChrootDirectory /jail' >>"$root/etc/ssh/sshd_config"
    for folder in bin etc proc dev run sys tmp root var/lib; do mkdir -p "$root/jail/$folder"; done
    cp "$root/bin/busybox" "$root/jail/bin/busybox"
    chroot "$root/jail" /bin/busybox --install -s /bin
    # The login shell is looked up outside and run inside.
    sed -i '1s|/bin/bash|/bin/sh|' "$root/etc/passwd"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/jail/etc/passwd"
    printf 'root:x:0:\n' >"$root/jail/etc/group"
  fi
}

start() { # lab number
  lab=$1 host=$1/$2 space=$(name "$1")-$2 root=$1/$2/root
  kind=$(cat "$lab/kind")
  if [ "$kind" = systemd ]; then
    setsid systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --console=pipe --kill-signal=SIGKILL \
      --network-namespace-path="/run/netns/$space" --hostname="host-$2" --machine="$space" </dev/null >>"$host/log" 2>&1 &
    echo $! >"$host/pid"
  elif [ "$kind" = node ]; then
    setsid "$0" node "$lab" "$2" </dev/null >>"$host/log" 2>&1 &
    echo $! >"$host/pid"
  elif [ "$kind" = vm ]; then
    # Emulated, so that it runs wherever the tests do. A power cut loses what the guest had not flushed.
    setsid ip netns exec "$space" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none -monitor none -serial stdio \
      -kernel "$host/vmlinuz" -initrd "$host/initrd.img" -append 'root=LABEL=root rw console=ttyS0 quiet mitigations=off lsm= audit=0' \
      -drive "file=$host/disk,if=none,id=root,format=raw" -device virtio-blk,drive=root \
      -drive "file=$host/data1,if=none,id=data1,format=raw" -device virtio-blk,drive=data1,serial=data1 \
      -drive "file=$host/data2,if=none,id=data2,format=raw" -device virtio-blk,drive=data2,serial=data2 \
      -netdev tap,id=net,ifname=tap,script=no,downscript=no -device "virtio-net,netdev=net,mac=52:54:00:00:01:$(printf %02x "$2")" \
      -device virtio-rng </dev/null >>"$host/log" 2>&1 &
    echo $! >"$host/pid"
  else
    # shellcheck disable=SC2016
    setsid ip netns exec "$space" unshare --pid --mount --uts --fork --kill-child /bin/sh -c '
      mount -t proc proc "$1/proc"; mount -t sysfs sysfs "$1/sys"; mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/run"; mkdir -p "$1/run/sshd"
      if [ "$2" = busybox ]; then mount -t proc proc "$1/jail/proc"; mount -t sysfs sysfs "$1/jail/sys"; mount --rbind /dev "$1/jail/dev"; mount -t tmpfs tmpfs "$1/jail/run"; fi
      hostname "host-$3"
      exec chroot "$1" /usr/sbin/sshd -D -e' sh "$root" "$kind" "$2" </dev/null >>"$host/log" 2>&1 &
    echo $! >"$host/pid"
  fi
}

# The control groups (version 1) that a machine has below the one of this machine: where only they have controllers,
# systemd-nspawn gives a machine none that Kubernetes could use.
GROUPS_OF_NODES='cpu cpuacct cpuset memory devices freezer blkio pids systemd'

# Becomes a machine.
node() { # lab number
  space=$(name "$1")-$2
  for group in $GROUPS_OF_NODES; do
    place=/sys/fs/cgroup/$group/$space
    mkdir -p "$place"
    if [ "$group" = cpuset ]; then
      for what in cpus mems; do cat "/sys/fs/cgroup/cpuset/cpuset.$what" >"$place/cpuset.$what"; done
    fi
    echo $$ >"$place/cgroup.procs"
  done
  # containerd lays its own overlays, which cannot stand on one.
  mkdir -p "$1/$2/containerd" "$1/$2/root/var/lib/containerd"
  # shellcheck disable=SC2016
  exec ip netns exec "$space" unshare --pid --mount --uts --ipc --cgroup --fork --kill-child --propagation private /bin/sh -c '
    set -e
    root=$1/root
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for device in null zero full random urandom tty kmsg; do
      : >"$root/dev/$device"
      mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"; done
    mount --bind "$1/containerd" "$root/var/lib/containerd"
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    for group in $3; do
      mkdir "$root/sys/fs/cgroup/$group"
      options=$group
      if [ "$group" = systemd ]; then options=none,name=systemd; fi
      mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$group"
    done
    hostname "host-$2"
    cd "$root"
    mkdir -p old
    pivot_root . old
    umount -l /old
    # As systemd leaves it on a machine. On a private tree the kubelet mounts its folder over what is mounted in it.
    mount --make-rshared /
    exec env -i container=incline PATH=/usr/sbin:/usr/bin:/sbin:/bin \
      "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1" \
      /lib/systemd/systemd --log-target=console' sh "$1/$2" "$2" "$GROUPS_OF_NODES"
}

stop() { # lab number
  pid=$(cat "$1/$2/pid")
  rm -f "$1/$2/pid"
  if [ "$(cat "$1/kind")" = systemd ]; then
    # The machine's init is nspawn's child: without it, all in the machine ends.
    # shellcheck disable=SC2013
    for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill -KILL "$child" 2>/dev/null || true; done
  fi
  kill -KILL "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  until has_ended "$pid"; do sleep 0.05; done
}

# Whether a process is gone, or waits for its parent with no thread left: until then the threads hold its devices.
has_ended() { # pid
  [ ! -d "/proc/$1" ] || { grep -q '^State:.Z' "/proc/$1/status" && [ "$(ls "/proc/$1/task")" = "$1" ]; } 2>/dev/null
}

up() { # lab tree kind count
  lab=$1 net=$(name "$1")
  mkdir -p "$lab"
  echo "$3" >"$lab/kind"
  echo "$4" >"$lab/count"
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$lab/key"
  ip netns add "$net"
  ip -n "$net" link set lo up
  ip -n "$net" link add hub type bridge
  ip -n "$net" address add 10.99.0.1/16 dev hub
  ip -n "$net" link set hub up
  for n in $(seq 1 "$4"); do
    mkdir -p "$lab/$n/upper" "$lab/$n/work" "$lab/$n/root"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$lab/$n/upper,workdir=$lab/$n/work" "$lab/$n/root"
    configure "$lab" "$n" "$3"
    ip netns add "$net-$n"
    ip -n "$net" link add "v$n" type veth peer name eth0 netns "$net-$n"
    ip -n "$net" link set "v$n" master hub up
    ip -n "$net-$n" link set lo up
    if [ "$3" = vm ]; then
      machine "$lab" "$n"
    else
      ip -n "$net-$n" address add "10.99.1.$n/16" dev eth0
    fi
    ip -n "$net-$n" link set eth0 up
    start "$lab" "$n"
  done
  for n in $(seq 1 "$4"); do wait_for "$lab" "$n"; done
}

# Hosts by the thousand: one sshd, which gives whoever comes to an address that address' own tree. Host N is at
# 127.1.(N / 250).(N % 250 + 1), where no table of neighbours ends; LAB/host.pub is the key of all.
crowd() { # lab tree count
  lab=$1 net=$(name "$1")
  mkdir -p "$lab"
  echo crowd >"$lab/kind"
  echo "$3" >"$lab/count"
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$lab/key"
  ssh-keygen -q -t ed25519 -N '' -C hosts -f "$lab/host"
  ip netns add "$net"
  ip -n "$net" link set lo up
  # Paths as sshd sees them: it runs in tree 0, which has the lab at /lab.
  printf '%s\n' 'HostKey /lab/host' 'AuthorizedKeysFile /lab/key.pub' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
    'PermitRootLogin prohibit-password' 'StrictModes no' 'UsePAM no' 'MaxStartups 2000' 'PidFile /lab/pid' >"$lab/sshd_config"
  for n in $(seq 0 "$3"); do
    root=$lab/$n/root
    mkdir -p "$lab/$n/upper" "$lab/$n/work" "$root"
    mount -t overlay overlay -o "lowerdir=$2,upperdir=$lab/$n/upper,workdir=$lab/$n/work" "$root"
    mount --bind /proc "$root/proc"
    mount --bind /dev "$root/dev"
    if [ "$n" -gt 0 ]; then
      printf 'Match LocalAddress 127.1.%s.%s\n  ChrootDirectory /lab/%s/root\n' "$((n / 250))" "$((n % 250 + 1))" "$n" >>"$lab/sshd_config"
    fi
  done
  mkdir -p "$lab/0/root/lab" "$lab/0/root/run/sshd"
  mount --rbind "$lab" "$lab/0/root/lab"
  ip netns exec "$net" chroot "$lab/0/root" /usr/sbin/sshd -f /lab/sshd_config -E /lab/log
}

# Makes the disks of a virtual machine, and the bridge by which it stands in the lab's network.
machine() { # lab number
  host=$1/$2 space=$(name "$1")-$2
  printf '[Match]\nName=e*\n[Network]\nAddress=10.99.1.%s/16\nLinkLocalAddressing=no\n' "$2" >"$host/root/etc/systemd/network/10-lab.network"
  # With one, systemd does not take this for its first boot, and enables nothing by itself.
  printf '%032x\n' "$2" >"$host/root/etc/machine-id"
  cp "$host"/root/boot/vmlinuz-* "$host/vmlinuz"
  cp "$host"/root/boot/initrd.img-* "$host/initrd.img"
  truncate -s 3G "$host/disk"
  mke2fs -q -t ext4 -L root -d "$host/root" "$host/disk"
  umount "$host/root"
  truncate -s 1G "$host/data1" "$host/data2"
  ip -n "$space" link add hub type bridge
  ip -n "$space" link set hub up
  ip -n "$space" link set eth0 master hub
  ip -n "$space" tuntap add tap mode tap
  ip -n "$space" link set tap master hub up
}

# Logs in as root.
log_in() { # lab number option [text]
  host=10.99.1.$2 lab=$1
  option=$3
  shift 3
  exec ip netns exec "$(name "$lab")" ssh "$option" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    -i "$lab/key" "root@$host" "$@"
}

# Waits until a host's sshd answers.
wait_for() { # lab number
  tries=0 patience=2
  # An emulated machine thinks for a while before it answers.
  if [ "$(cat "$1/kind")" = vm ]; then tries=-1000 patience=20; fi
  until ip netns exec "$(name "$1")" ssh-keyscan -t ed25519 -T "$patience" "10.99.1.$2" 2>/dev/null | grep -q ssh; do
    tries=$((tries + 1))
    if [ $tries -ge 60 ] || [ ! -d "/proc/$(cat "$1/$2/pid")" ]; then
      echo "host $2 does not come up:" >&2
      tail -n 20 "$1/$2/log" >&2
      exit 1
    fi
    sleep 0.2
  done
}

down() { # lab
  lab=$1 net=$(name "$1")
  if [ "$(cat "$lab/kind")" = crowd ]; then
    kill "$(cat "$lab/pid")" || true
    umount --recursive --lazy "$lab/0/root" || true
  fi
  for n in $(seq 1 "$(cat "$lab/count")"); do
    if [ -e "$lab/$n/pid" ]; then stop "$lab" "$n"; fi
    umount --recursive --lazy "$lab/$n/root" 2>/dev/null || true
    if [ "$(cat "$lab/kind")" = node ]; then
      for group in $GROUPS_OF_NODES; do
        find "/sys/fs/cgroup/$group/$net-$n" -depth -type d -exec rmdir {} \; 2>/dev/null || true
      done
    fi
    ip netns delete "$net-$n" 2>/dev/null || true
  done
  ip netns delete "$net" 2>/dev/null || true
}

command=$1
lab=$2
shift 2
case "$command" in
tree) tree "$lab" ;;
vmtree) vmtree "$lab" ;;
up) up "$lab" "$@" ;;
crowd) crowd "$lab" "$@" ;;
start)
  start "$lab" "$1"
  wait_for "$lab" "$1"
  ;;
stop) stop "$lab" "$1" ;;
node) node "$lab" "$1" ;;
run) exec ip netns exec "$(name "$lab")" "$@" ;;
ssh)
  log_in "$lab" "$1" -T "$2"
  ;;
shell) log_in "$lab" "$1" -t ;;
down) down "$lab" ;;
*)
  sed -n 's/^# \{0,1\}//p' "$0" | head -n 19
  exit 64
  ;;
esac
