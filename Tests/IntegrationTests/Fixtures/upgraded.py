#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# upgraded.py - what must not notice that the daemon is upgraded, each until it is killed, with a line for each that was well:
#   server           counts numbers that come over one TCP connection of loopback; prints its port first
#   client HOST PORT sends them, 4 bytes each
#   link SOCKET      a guest of QEMU's stream: asks for 192.168.104.2 by ARP, and counts answers
#   greet PORT       a server at every address that greets
#   hello PORT       says whether 127.0.0.1 greets, once
import socket
import struct
import sys
import time

what, words = sys.argv[1], sys.argv[2:]
if what == "server":
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    connection, _ = listener.accept()
    expected, rest, told = 0, b"", 0
    while True:
        data = connection.recv(65536)
        if not data:
            sys.exit("ended")
        rest += data
        for (number,) in struct.iter_unpack("!I", rest[: len(rest) // 4 * 4]):
            if number != expected:
                sys.exit(f"{number} came, not {expected}")
            expected += 1
        rest = rest[len(rest) // 4 * 4:]
        if time.monotonic() - told > 0.05:
            told = time.monotonic()
            print("count", expected, flush=True)
elif what == "client":
    connection = socket.create_connection((words[0], int(words[1])))
    number = 0
    while True:
        connection.sendall(struct.pack("!I", number))
        number += 1
        if number % 50 == 0:
            time.sleep(0.01)
elif what == "link":
    link = socket.socket(socket.AF_UNIX)
    link.connect(words[0])
    own = b"\x52\x55\x55\x00\x00\x77"
    ask = b"\xff" * 6 + own + struct.pack(
        "!HHHBBH6s4s6s4s", 0x0806, 1, 0x0800, 6, 4, 1, own, socket.inet_aton("192.168.104.77"),
        b"\0" * 6, socket.inet_aton("192.168.104.2"))
    ask += b"\0" * (60 - len(ask))

    def take(count):
        data = b""
        while len(data) < count:
            more = link.recv(count - len(data))
            if not more:
                sys.exit("closed")
            data += more
        return data

    answers, asked = 0, 0
    while True:
        if time.monotonic() - asked > 0.05:
            link.settimeout(30)
            link.sendall(struct.pack("!I", len(ask)) + ask)
            asked = time.monotonic()
        link.settimeout(0.05)
        try:
            length = take(4)
        except socket.timeout:
            continue
        link.settimeout(10)
        (length,) = struct.unpack("!I", length)
        if not 14 <= length <= 70000:
            sys.exit(f"a frame of {length} bytes")
        frame = take(length)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02":
            answers += 1
            print("count", answers, flush=True)
elif what == "greet":
    listener = socket.create_server(("0.0.0.0", int(words[0])))
    while True:
        connection, _ = listener.accept()
        connection.sendall(b"greetings")
        connection.close()
elif what == "hello":
    with socket.create_connection(("127.0.0.1", int(words[0])), 5) as connection:
        print(connection.recv(100).decode())
