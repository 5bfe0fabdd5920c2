#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""garbage.py KIND SOCKET - a bad client of a network's QEMU stream socket.

  length   announces a frame of 4 GiB, and other absurd lengths; wants to be closed
  half     sends half a frame, waits, and goes
  vanish   connects and goes, again and again
  frames   sends 10,000 mutated frames
"""
import random, socket, struct, sys, time

kind, path = sys.argv[1:]
rng = random.Random(7)


def connect():
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(path)
    peer.settimeout(5)
    return peer


def frame(payload):
    return struct.pack(">I", len(payload)) + payload


ETHERNET = b"\xff" * 6 + bytes.fromhex("525555000009")
ARP = ETHERNET + bytes.fromhex("0806000108000604" "0001525555000009c0a8050f000000000000c0a80502")
UDP = ETHERNET + bytes.fromhex("080045000024000100004011af55c0a8050fc0a80502") + bytes.fromhex("10000035001000006162636465666768")
TCP = ETHERNET + bytes.fromhex("08004500003c1c4640004006b61cc0a8050fc0a80502c3500050") + bytes.fromhex("000000010000000050020fa0") + bytes(24)
DHCP = ETHERNET + bytes.fromhex("0800450001480000000040117898000000000ffffffff00440043013400000101060012345678".replace(" ", "")[:76]) + bytes(300)
ICMP = ETHERNET + bytes.fromhex("080045000054000040004001af58c0a8050fc0a805020800f7ff00000000") + bytes(56)
SEEDS = [ARP, UDP, TCP, DHCP, ICMP]

def is_closed(peer):
    """Whether the other side ends the connection, whatever it sends before, as a router's advertisement."""
    peer.settimeout(10)
    try:
        while peer.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    except socket.timeout:
        return False
    return True


if kind == "length":
    for length in (0xFFFFFFFF, 0x80000000, 69633, 1 << 20, 0, 1, 13):
        peer = connect()
        peer.sendall(struct.pack(">I", length) + b"x" * 100)
        assert is_closed(peer), f"length {length} was taken"
elif kind == "half":
    for cut in (1, 3, 4, 5, 30):
        peer = connect()
        peer.sendall(frame(ARP)[:cut])
        time.sleep(0.05)
        peer.close()
elif kind == "vanish":
    for turn in range(200):
        peer = connect()
        if turn % 2:
            peer.sendall(frame(ARP) * 50)
        peer.close()
elif kind == "frames":
    peer = connect()
    peer.setblocking(False)

    def drain():
        try:
            while peer.recv(1 << 20):
                pass
        except BlockingIOError:
            pass

    for turn in range(10000):
        data = bytearray(rng.choice(SEEDS))
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(12, len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            data = data[: rng.randrange(14, len(data))]
        if rng.random() < 0.1:
            data += rng.randbytes(rng.randrange(1, 1400))
        out = frame(bytes(data))
        while out:
            try:
                out = out[peer.send(out) :]
            except BlockingIOError:
                drain()
        if turn % 50 == 0:
            drain()
    peer.close()
