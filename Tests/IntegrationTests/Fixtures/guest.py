#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""guest.py KIND SOCKET [--quiet] - a guest in few lines, for the links that no kernel
end of ours speaks.

  unixgram  binds a datagram socket of its own, says VFKT to SOCKET, and sends frames (vfkit)
  fd        passes one end of a datagram socketpair to SOCKET (Lima's _fd.sock)
  stream    connects and puts its length before each frame (QEMU)

It has 192.168.5.15, asks the gateway by ICMP echo every 50 ms, answers ARP, and
echoes UDP on port 7000. Says "reply N" for each answer of the gateway, "served N" for
each datagram echoed, and "closed" when its link ends. With --quiet it asks three
times and then only answers. Ends with its standard input."""
import array, os, select, socket, struct, sys, time

kind, path = sys.argv[1:3]
quiet = "--quiet" in sys.argv
MAC, OURS, GATEWAY = bytes.fromhex("5255550000") + bytes([os.getpid() & 0xFF]), bytes([192, 168, 5, 15]), bytes([192, 168, 5, 2])


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def ip(to, mac, protocol, payload):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + OURS + to
    head = head[:10] + checksum(head) + head[12:]
    return mac + MAC + b"\x08\x00" + head + payload


def arp(operation, mac, target_mac, target):
    return mac + MAC + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + MAC + OURS + target_mac + target


class Link:
    def __init__(self):
        self.buffer = b""
        if kind == "unixgram":
            own = f"{path}.{os.getpid()}"
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(own)
            self.socket.connect(path)
            self.socket.send(b"VFKT")
        elif kind == "fd":
            self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.hand = socket.socket(socket.AF_UNIX)
            self.hand.connect(path)
            self.hand.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [theirs.fileno()]))])
            theirs.close()
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(path)

    def send(self, frame):
        self.socket.sendall((struct.pack(">I", len(frame)) if kind == "stream" else b"") + frame)

    def frames(self):
        data = self.socket.recv(1 << 18)
        if kind != "stream":
            return [data]
        if not data:
            raise ConnectionResetError
        self.buffer += data
        found = []
        while len(self.buffer) >= 4:
            (length,) = struct.unpack(">I", self.buffer[:4])
            assert 14 <= length <= 65553, f"out of step: {length}"
            if len(self.buffer) < 4 + length:
                break
            found.append(self.buffer[4 : 4 + length])
            self.buffer = self.buffer[4 + length :]
        return found


def main():
    link, gateway, replies, served, asked, due = Link(), None, 0, 0, 0, 0.0
    while True:
        now = time.monotonic()
        if now >= due and not (quiet and replies >= 3):
            due, asked = now + 0.05, asked + 1
            if gateway is None:
                link.send(arp(1, b"\xff" * 6, bytes(6), GATEWAY))
            else:
                echo = struct.pack(">BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, asked & 0xFFFF) + b"how is it there?"
                link.send(ip(GATEWAY, gateway, 1, echo[:2] + checksum(echo) + echo[4:]))
        ready, _, _ = select.select([link.socket, sys.stdin], [], [], 0.05)
        if sys.stdin in ready and not sys.stdin.read(1):
            return
        if link.socket not in ready:
            continue
        for frame in link.frames():
            if frame[12:14] == b"\x08\x06" and frame[38:42] == OURS and frame[21] == 1:
                link.send(arp(2, frame[22:28], frame[22:28], frame[28:32]))
            elif frame[12:14] == b"\x08\x06" and frame[21] == 2 and frame[28:32] == GATEWAY:
                gateway = frame[22:28]
            elif frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 0:
                replies += 1
                print("reply", replies, flush=True)
            elif frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == b"\x1b\x58":
                source, length = frame[34:36], struct.unpack(">H", frame[38:40])[0]
                udp = b"\x1b\x58" + source + struct.pack(">HH", length, 0) + frame[42 : 34 + length]
                link.send(ip(frame[26:30], frame[6:12], 17, udp))
                served += 1
                print("served", served, flush=True)


try:
    main()
except OSError as error:
    print("closed", error, flush=True)
