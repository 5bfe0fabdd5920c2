#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A peer of a network with `options: {socket: PATH}`, and guests of such a network, frame by frame.

  peer PATH WHAT...   listens; what becomes of the first, second ... connection, the last for all that follow:
                      oversize  announces a frame of 4 GiB, and waits for the end
                      torn      sends half of a length, and closes
                      middle    sends half of a frame, and closes
                      refuse    closes at once
                      flood     sends 20,000 broadcasts, then mirrors
                      deaf      never reads
                      mirror    sends every frame back to where it came from
  mirrored SOCKET     a guest: tries until a frame of its own comes back; prints "mirrored"
  pair SOCKET COUNT   two guests: both send COUNT frames into the uplink and answer each other; prints "pair N"
"""
import os, socket, struct, sys, threading, time

PEER, FIRST, SECOND = b"\x52\x55\x00\x00\x00\x99", b"\x52\x55\x00\x00\x00\x01", b"\x52\x55\x00\x00\x00\x02"
BROADCAST, KIND = b"\xff" * 6, b"\x88\xb5"


def frame(to, by, text=b"", size=60):
    body = to + by + KIND + text
    body += bytes(max(0, size - len(body)))
    return struct.pack(">I", len(body)) + body


def exactly(link, count):
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def read(link):
    return exactly(link, struct.unpack(">I", exactly(link, 4))[0])


def mirror(link):
    while True:
        got = read(link)
        link.sendall(frame(got[6:12], PEER, got[14:], len(got)))


def serve(link, what):
    try:
        if what == "oversize":
            link.sendall(b"\xff\xff\xff\xff" + bytes(100))
            while link.recv(65536):
                pass
        elif what == "torn":
            link.sendall(b"\0\0")
        elif what == "middle":
            link.sendall(frame(BROADCAST, PEER)[:40])
        elif what == "flood":
            one = frame(BROADCAST, PEER, b"flood", 1514)
            reader = threading.Thread(target=mirror, args=(link,), daemon=True)
            reader.start()
            for _ in range(20000):
                link.sendall(one)
            reader.join()
        elif what == "deaf":
            time.sleep(600)
        elif what == "mirror":
            mirror(link)
    except (EOFError, OSError):
        pass
    link.close()
    print("ended", what, flush=True)


def peer(path, plan):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    print("listening", flush=True)
    for number in range(10000):
        link, _ = listener.accept()
        what = plan[min(number, len(plan) - 1)]
        print("connected", what, flush=True)
        threading.Thread(target=serve, args=(link, what), daemon=True).start()


def guest(path):
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    link.settimeout(0.5)
    return link


def until(link, wanted, seconds):
    """Reads frames until one is as wanted."""
    end = time.time() + seconds
    while time.time() < end:
        try:
            if wanted(read(link)):
                return True
        except socket.timeout:
            return False
    return False


def mirrored(path):
    link = guest(path)
    for attempt in range(60):
        mark = b"try %d" % attempt
        link.sendall(frame(PEER, FIRST, mark))
        if until(link, lambda got: got[:12] == FIRST + PEER and got[14:].startswith(mark), 5):
            print("mirrored", flush=True)
            return 0
    return 1


def pair(path, count):
    first, second = guest(path), guest(path)
    first.settimeout(10)
    second.settimeout(10)
    # Both are known before either is spoken to.
    first.sendall(frame(BROADCAST, FIRST, b"hello"))
    until(second, lambda got: got[6:12] == FIRST, 10)
    second.sendall(frame(FIRST, SECOND, b"hello"))
    until(first, lambda got: got[6:12] == SECOND, 10)
    answered = 0
    for number in range(count):
        # An address nobody has: such a frame is for the uplink.
        for link, by in ((first, FIRST), (second, SECOND)):
            link.sendall(frame(PEER, by, b"into the uplink", 1514))
        mark = b"number %d" % number
        first.sendall(frame(SECOND, FIRST, mark))
        if not until(second, lambda got: got[14:].startswith(mark), 10):
            break
        answered += 1
    print("pair", answered, flush=True)
    return 0


if sys.argv[1] == "peer":
    sys.exit(peer(sys.argv[2], sys.argv[3:]))
elif sys.argv[1] == "mirrored":
    sys.exit(mirrored(sys.argv[2]))
else:
    sys.exit(pair(sys.argv[2], int(sys.argv[3])))
