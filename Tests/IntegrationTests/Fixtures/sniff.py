#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# sniff.py INTERFACE - prints "rogue" and the frame for each frame that comes in on INTERFACE with ROGUE in it, and
# "fine" for one with FINE! in it, until it is stopped.
import socket
import sys

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((sys.argv[1], 0))
print("listening", flush=True)
while True:
    frame, address = s.recvfrom(65536)
    if address[2] == socket.PACKET_OUTGOING:
        continue
    if b"ROGUE" in frame:
        print("rogue", frame.hex(), flush=True)
    if b"FINE!" in frame:
        print("fine", flush=True)
