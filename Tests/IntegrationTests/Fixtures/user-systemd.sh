#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# user-systemd.sh FOLDER COMMAND... - runs COMMAND beside a systemd --user of this machine's, in namespaces and control groups of
# its own, with FOLDER as home. Needs root; nothing stays but FOLDER. Ends with COMMAND's status.
set -euo pipefail
if [ "$1" != inside ]; then
  exec "$(dirname "$0")/../../../Scripts/own-control-groups" \
    timeout -k 3 90 unshare -m -n -p -i -u -C --fork --kill-child --mount-proc "$0" inside "$@"
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
