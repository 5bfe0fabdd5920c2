#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# hoststate.py - prints what a network namespace holds that outlives processes: links, addresses, routes of all tables, rules,
# nftables, and every sysctl below net. Left out are what count by themselves: `ip` is asked without -s (statistics) and
# without -d (timers of bridges), nft without handles, and of sysctls nf_conntrack_count and the random tcp_fastopen_key.
import os
import subprocess

for command in ("ip -j link", "ip -j addr", "ip -j route show table all", "ip -j -6 route show table all", "ip -j rule",
                "ip -j -6 rule", "nft -j list ruleset"):
    print(command, subprocess.run(command.split(), capture_output=True, text=True).stdout)
for folder, folders, files in os.walk("/proc/sys/net"):
    folders.sort()
    for file in sorted(set(files) - {"nf_conntrack_count", "tcp_fastopen_key"}):
        try:
            print(folder, file, open(os.path.join(folder, file)).read().strip())
        except OSError:
            pass  # of some only the writing is allowed
