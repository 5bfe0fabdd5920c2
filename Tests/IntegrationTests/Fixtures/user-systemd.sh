#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# user-systemd.sh FOLDER COMMAND... - runs COMMAND beside a systemd --user of this machine's, in namespaces and control groups of
# its own, with FOLDER as home. Needs root; nothing stays but FOLDER. Ends with COMMAND's status.
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
    group=$base/lima-netd-user.$$
    mkdir "$group"
    groups+=("$group $base$before")
    echo $$ >"$group/cgroup.procs"
  done
  status=0
  timeout -k 3 90 unshare -m -n -p -i -u -C --fork --kill-child --mount-proc "$0" inside "$@" || status=$?
  for group in "${groups[@]}"; do
    read -r own before <<<"$group"
    echo $$ >"$before/cgroup.procs" || true
    find "$own" -depth -type d -exec rmdir {} + || true
  done
  exit "$status"
fi
folder=$2
shift 2
mount --make-rprivate /
mount -t sysfs sys /sys
if [ -d /sys/fs/cgroup/systemd ] || ! mount -t cgroup2 cgroup2 /sys/fs/cgroup 2>/dev/null; then
  mount -t tmpfs cgroup /sys/fs/cgroup
  mkdir /sys/fs/cgroup/unified /sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
fi
mount -t tmpfs run /run
mkdir -p /run/systemd/system /run/user/0
chmod 700 /run/user/0
ip link set lo up
export HOME=$folder XDG_RUNTIME_DIR=/run/user/0 USER=root
unset DBUS_SESSION_BUS_ADDRESS LIMA_HOME XDG_CONFIG_HOME
env -i HOME="$HOME" XDG_RUNTIME_DIR="$XDG_RUNTIME_DIR" USER=root PATH="$PATH" /lib/systemd/systemd --user --log-target=console >"$folder/systemd.log" 2>&1 &
manager=$!
for _ in $(seq 100); do
  [ ! -S /run/user/0/systemd/private ] || break
  sleep 0.1
done
status=0
"$@" || status=$?
kill -TERM "$manager" 2>/dev/null || true
exit "$status"
