#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Connections whose last bytes come just before a reset.

    lastbytes.py listen              a server on a port that the kernel chooses, and prints
    lastbytes.py HOST PORT CASE [N]  a client, N times (1); prints a line for each

The server does as the client's first byte says:

    u  answers an upload with 413 and closes while more of it comes: the kernel resets
    l  sends 10000 bytes and resets at once (SO_LINGER 0)
    c  takes what the client sends until its reset, and prints how much came and how it ended
    o  sends an urgent byte among others
    t  sends until the connection ends, and prints how it did
    d  sends 4000 bytes, then nothing more; the client does not end it either

The client says "open" when the connection is as it is to be: it has all of the 4000 bytes of d, and the first of t.
"""

import os, socket, struct, sys, threading, time

ANSWER = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


def say(*words):
    """A line in one write: print makes two of it, and other threads speak too."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()


def drain(s):
    """Bytes until the end, and how it ended."""
    count = 0
    try:
        while data := s.recv(1 << 16):
            count += len(data)
        return count, "end"
    except OSError as error:
        return count, type(error).__name__


def serve(s):
    s.settimeout(30)
    case = s.recv(1)
    if case == b"u":
        s.recv(1000)
        time.sleep(0.05)
        s.sendall(ANSWER)
        s.close()
    elif case == b"l":
        s.sendall(b"x" * 10000)
        reset(s)
    elif case == b"c":
        say("saw c", *drain(s))
    elif case == b"o":
        s.sendall(b"ab")
        s.send(b"!", socket.MSG_OOB)
        s.sendall(b"cd")
        s.close()
    elif case == b"t":
        try:
            while True:
                s.sendall(b"x" * 65536)
                time.sleep(0.01)
        except OSError as error:
            say("saw t", type(error).__name__)
    elif case == b"d":
        s.sendall(b"x" * 4000)
        say("saw d", *drain(s))


def upload(s):
    """Sends until it fails, then reads."""
    s.sendall(b"u")
    try:
        for _ in range(400):
            s.sendall(b"x" * 16384)
    except OSError:
        pass
    got = b""
    try:
        while data := s.recv(4096):
            got += data
    except OSError as error:
        return got == ANSWER, type(error).__name__
    return got == ANSWER, "end"


def client(host, port, case):
    s = socket.create_connection((host, port), 10)
    s.settimeout(30)
    if case == "u":
        return upload(s)
    # In one write: what Nagle's algorithm still holds back goes with the reset.
    s.sendall(case.encode() + (b"x" * 1000 if case == "c" else b""))
    if case == "c":
        reset(s)
        return ("sent",)
    if case == "o":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        got = b""
        while data := s.recv(100):
            got += data
        return (got.decode(),)
    if case in "td":
        count = 0
        while count < (4000 if case == "d" else 1):
            data = s.recv(1 << 16)
            if not data:
                return count, "early end"
            count += len(data)
        say("open")
        # Until the test is over.
        more, how = drain(s)
        return count + more, how
    return drain(s)


def listen():
    server = socket.create_server(("0.0.0.0", 0), backlog=128)
    say(server.getsockname()[1])
    while True:
        s, _ = server.accept()
        threading.Thread(target=serve, args=(s,), daemon=True).start()


if sys.argv[1] == "listen":
    listen()
else:
    for _ in range(int(sys.argv[4]) if len(sys.argv) > 4 else 1):
        say("got", sys.argv[3], *client(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
