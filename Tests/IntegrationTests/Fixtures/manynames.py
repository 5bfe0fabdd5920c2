#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A nameserver on loopback that has an address for every name and loses nothing.

Prints one JSON line with its port (UDP), then serves until its standard input
ends, and prints at the end how many questions came, for how many names, and how
many did not fit into the socket (SO_MEMINFO's drops).
"""
import json, socket, struct, sys, threading

SO_MEMINFO, SO_RCVBUFFORCE = 55, 33
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
except OSError:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
server.bind(("127.0.0.1", 0))
questions, names = 0, set()
ANSWER = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\xc0\0\2\1"


def serve():
    global questions
    while True:
        query, client = server.recvfrom(4096)
        end = query.index(0, 12) + 5
        questions += 1
        names.add(query[12:end].lower())
        server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + ANSWER, client)


threading.Thread(target=serve, daemon=True).start()
print(json.dumps({"port": server.getsockname()[1]}), flush=True)
sys.stdin.read()
drops = struct.unpack("9I", server.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8]
print(json.dumps({"questions": questions, "names": len(names), "drops": drops}), flush=True)
