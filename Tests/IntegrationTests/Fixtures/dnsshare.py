#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One guest's questions to a zone that is silent.

serve: a nameserver on loopback that has an address for every name but those below silent.test, about which it
never says a word. Prints its port and serves until its standard input ends.

ask COUNT FILE: asks 192.168.5.3 for so many names below silent.test, writes FILE when SERVFAILs with an extended
error about it have come, and goes on reading until FILE is gone. Prints the codes of the answers, each once.
"""
import os, select, socket, struct, sys, threading, time


def serve():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)
    while True:
        query, client = server.recvfrom(4096)
        end = query.index(0, 12) + 5
        if b"\x06silent\x04test\0" in query[12:end].lower():
            continue
        answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 300, 4) + b"\xc0\0\2\1"
        server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end] + answer, client)


def ask(count, file):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.connect(("192.168.5.3", 53))
    answers, deadline = set(), time.monotonic() + 20

    def read(seconds):
        while select.select([client], [], [], seconds)[0]:
            answer = client.recv(4096)
            told = b"too many questions of this client" in answer
            answers.add(f"code {answer[3] & 15}" + (", told" if told else ""))
            seconds = 0

    number = 0
    while time.monotonic() < deadline and not os.path.exists(file + ".end"):
        # So many at first, then a few more and more, that the share stays used up.
        for _ in range(50):
            number += 1
            name = b"".join(bytes([len(l)]) + l for l in (b"n%d" % number, b"silent", b"test"))
            client.send(struct.pack(">HHHHHH", number & 0xFFFF, 0x100, 1, 0, 0, 1) + name + b"\0\0\1\0\1"
                        + b"\0\0\x29\x04\xd0\0\0\0\0\0\0")
        read(0.02)
        if number >= count:
            time.sleep(0.1)
            read(0)
        if number >= count and "code 2, told" in answers and not os.path.exists(file):
            open(file, "w").close()
    print("\n".join(sorted(answers)))


if sys.argv[1] == "serve":
    threading.Thread(target=serve, daemon=True).start()
    sys.stdin.read()
else:
    ask(int(sys.argv[2]), sys.argv[3])
