#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peer.py listen | peer.py ADDRESS PORT ROLE [COUNT] - the two ends of TCP connections that
end, or stall, in every way. `listen` prints its port and serves; the first byte that a client
sends is the role, and "saw ..." is what the server noticed.

  h  half-close by the client: it sends, shuts down, then reads what the server sends later
  H  half-close by the server: it sends and shuts down, then reads what the client sends later
  r  the client resets;  R  the server resets
  s  the server reads nothing for 3 s;  S  the client reads nothing for 3 s
"""
import hashlib, os, random, socket, struct, sys, threading, time

SIZE, STALL = 24 << 20, 3
DATA = random.Random(3).randbytes(1 << 20) * (SIZE >> 20)
DIGEST = hashlib.sha256(DATA).hexdigest()


def say(*words):
    """A line in one write: print makes two of it, and other threads speak too."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def everything(peer):
    digest, count = hashlib.sha256(), 0
    while data := peer.recv(1 << 18):
        digest.update(data)
        count += len(data)
    return "all" if digest.hexdigest() == DIGEST else f"{count} bytes"


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def ending(peer):
    try:
        return f"{len(peer.recv(100))} bytes"
    except OSError as error:
        return type(error).__name__


def serve(peer):
    role = peer.recv(1).decode()
    saw = ""
    if role == "h":
        saw = everything(peer)
        peer.sendall(DATA)
    elif role in "HS":
        peer.sendall(DATA)
        peer.shutdown(socket.SHUT_WR)
        saw = everything(peer) if role == "H" else ending(peer)
    elif role == "r":
        saw = ending(peer)
    elif role == "R":
        return reset(peer)
    elif role == "s":
        time.sleep(STALL)
        saw = everything(peer)
    say("saw", role, saw)
    peer.close()


def ask(address, role):
    peer = socket.create_connection(address, 10)
    peer.settimeout(60)
    peer.sendall(role.encode())
    if role == "h":
        peer.sendall(DATA)
        peer.shutdown(socket.SHUT_WR)
        return everything(peer)
    if role == "H":
        got = everything(peer)
        peer.sendall(DATA)
        return got
    if role == "r":
        time.sleep(0.2)
        return reset(peer)
    if role == "R":
        return ending(peer)
    if role == "s":
        peer.sendall(DATA)
        peer.shutdown(socket.SHUT_WR)
        return ending(peer)
    time.sleep(STALL)
    return everything(peer)


if sys.argv[1] == "listen":
    listener = socket.create_server(("", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
role, count = sys.argv[3], int((sys.argv + ["1"])[4])
threads = [
    threading.Thread(target=lambda: say("got", role, ask((sys.argv[1], int(sys.argv[2])), role)))
    for _ in range(count)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
