#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A TCP server on loopback that takes its time: slowreader.py PAUSE SECONDS_BETWEEN.

Prints its port, waits PAUSE seconds with a connection before it reads (for ever when
negative), then reads 256 KiB every SECONDS_BETWEEN; at last prints the number of bytes
and "end" or "reset".
"""
import socket, sys, time

pause, between = float(sys.argv[1]), float(sys.argv[2])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
time.sleep(pause if pause >= 0 else 600)
count = 0
try:
    while got := client.recv(256 << 10):
        count += len(got)
        time.sleep(between)
    print(count, "end", flush=True)
except ConnectionResetError:
    print(count, "reset", flush=True)
