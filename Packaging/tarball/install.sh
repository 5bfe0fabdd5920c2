#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# install.sh [PREFIX] - installs lima-netd from this folder into PREFIX: /usr/local for root, else ~/.local. It also runs
# from where it was unpacked, as bin/lima-netd.
#
# install.sh --uninstall [PREFIX] - takes it away again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
action=install
if [ "${1-}" = --uninstall ]; then action=uninstall; shift; fi
case ${1-} in
  "") if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=$HOME/.local; fi ;;
  /*) prefix=$1 ;;
  -*) sed -n 's/^# \{0,1\}//p' "$0" | sed -n 2,6p; exit 64 ;;
  *) prefix=$PWD/$1 ;;
esac
if [ "$action" = uninstall ]; then
  "$here/install-tree" remove "$prefix"
  echo "Removed lima-netd from $prefix."
  exit
fi
problem=$("$here/bin/lima-netd" --version 2>&1 >/dev/null) || {
  echo "lima-netd does not run on this system: $problem" >&2
  echo "It needs $(uname -m) Linux with glibc @GLIBC@ or later; here is: $(ldd --version 2>&1 | head -1)" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -C "$here" -cf - bin include lib libexec share | tar -C "$work" -xf - --no-same-owner
sed "s|@BINDIR@|$prefix/bin|" "$here/lib/systemd/user/lima-netd.service" >"$work/lib/systemd/user/lima-netd.service"
"$here/install-tree" put "$work" "$prefix"
echo "Installed $("$prefix/bin/lima-netd" --version | sed -n 1p) into $prefix."
case :$PATH: in *":$prefix/bin:"*) ;; *) echo "Have $prefix/bin in your PATH." ;; esac
echo "Try it:  lima-netd exec default -- ping -c 3 192.168.5.2"
