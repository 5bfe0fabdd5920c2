#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh FOLDER UNIT HELPER INTERFACE - boots this machine's systemd as the first process of namespaces of its own, on an
# overlay of this system with UNIT (a file) enabled and HELPER at /usr/local/libexec/lima-netd/lima-netd-tap. When the boot is over,
# FOLDER/told is what `ip -d addr` says of INTERFACE and systemd of the unit. Needs root; nothing stays but FOLDER.
set -euo pipefail
if [ "$1" != inside ]; then
  # Control groups of its own, whichever versions this host has: systemd takes their root for its own.
  groups=()
  for base in /sys/fs/cgroup /sys/fs/cgroup/*; do
    if [ ! -f "$base/cgroup.procs" ] || [ -L "$base" ]; then continue; fi
    case ${base##*/} in
      cgroup | unified) line=0:: ;;
      cpuset | *.slice | *.scope) continue ;; # not systemd's; or no hierarchy but a group of one
      *) line="[0-9]*:\([^:]*[,=]\)\?${base##*/}\(,[^:]*\)\?:" ;;
    esac
    before=$(sed -n "s|^$line||p" /proc/self/cgroup)
    [ -n "$before" ] || continue
    group=$base/lima-netd-boot.$$
    mkdir "$group"
    groups+=("$group $base$before")
    echo $$ >"$group/cgroup.procs"
  done
  status=0
  timeout -k 3 60 unshare -m -n -p -i -u -C --fork --kill-child "$0" inside "$@" || status=$?
  for group in "${groups[@]}"; do
    read -r own before <<<"$group"
    echo $$ >"$before/cgroup.procs" || true
    find "$own" -depth -type d -exec rmdir {} + || true
  done
  exit "$status"
fi
folder=$2 unit=$3 helper=$4 interface=$5
mount --make-rprivate /
mkdir -p "$folder/layer"
mount -t tmpfs layer "$folder/layer"
mkdir "$folder/layer/upper" "$folder/layer/work" "$folder/layer/root"
root=$folder/layer/root
mount -t overlay root -o "lowerdir=/,upperdir=$folder/layer/upper,workdir=$folder/layer/work" "$root"
name=$(basename "$unit")
units=$root/etc/systemd/system
rm -rf "$units"
mkdir -p "$units/multi-user.target.wants"
install -m 644 "$unit" "$units/$name"
ln -s "../$name" "$units/multi-user.target.wants/$name"
install -D -m 755 "$helper" "$root/usr/local/libexec/lima-netd/lima-netd-tap"
cat >"$units/told.service" <<END
[Unit]
After=multi-user.target
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh -c "ip -d addr show $interface >/told 2>&1; systemctl show -p ActiveState -p Result $name >>/told 2>&1"
END
ln -s ../told.service "$units/multi-user.target.wants/told.service"
: >"$folder/told"
: >"$folder/console"
: >"$root/etc/fstab"
: >"$root/told"
mount --bind "$folder/told" "$root/told"
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount -t tmpfs dev "$root/dev"
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
while read -r device major minor; do mknod -m 666 "$root/dev/$device" c "$major" "$minor"; done <<END
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
END
: >"$root/dev/console"
mount --bind "$folder/console" "$root/dev/console"
mount -t tmpfs run "$root/run"
if [ -d /sys/fs/cgroup/systemd ]; then
  mount -t tmpfs cgroup "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd,xattr cgroup "$root/sys/fs/cgroup/systemd"
else
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
exec env -i container=test PATH=/usr/sbin:/usr/bin chroot "$root" /lib/systemd/systemd --unit=multi-user.target --show-status=0
