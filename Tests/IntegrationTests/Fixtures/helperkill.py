#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# helperkill.py own DAEMON SEED - waits until the daemon of that process id runs lima-netd-tap, and kills it at a moment
#   that SEED chooses within its few milliseconds; "killed" or "missed".
# helperkill.py many HELPER SEED TIMES - starts the helper so often, to open, set up and take away a TAP, and kills each at such a
#   moment; then takes away what a `setup` may have left. Prints how many were still under way.
import os
import random
import signal
import socket
import subprocess
import sys
import time


def children(parent):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = open(f"/proc/{entry}/stat").read()
            except OSError:
                continue
            name, rest = fields[fields.index("(") + 1:fields.rindex(")")], fields[fields.rindex(")") + 2:].split()
            if int(rest[1]) == parent and name == "lima-netd-tap":
                yield int(entry)


dice = random.Random(int(sys.argv[3]))
if sys.argv[1] == "own":
    wait = dice.uniform(0, 0.002)
    end = time.monotonic() + 3
    print("looking", flush=True)
    while time.monotonic() < end:
        for child in children(int(sys.argv[2])):
            time.sleep(wait)
            try:
                os.kill(child, signal.SIGKILL)
            except OSError:
                continue
            sys.exit(print("killed"))
    sys.exit(print("missed"))

helper, caught = sys.argv[2], 0
for _ in range(int(sys.argv[4])):
    verb = dice.choice(("open", "open", "setup", "unsetup"))
    words = [helper, verb, "kill"] + ([] if verb == "unsetup" else ["--address", "10.66.0.1/24"])
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(words, stdin=theirs, stderr=subprocess.DEVNULL, env={})
    theirs.close()
    time.sleep(dice.uniform(0, 0.004))
    caught += process.poll() is None
    process.kill()
    process.wait()
    ours.close()
assert subprocess.run([helper, "unsetup", "kill"], env={}).returncode == 0
print("caught", caught)
