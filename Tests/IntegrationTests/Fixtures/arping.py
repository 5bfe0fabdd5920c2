#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""arping.py SOCKET - a client of a network's QEMU stream socket that asks for the
gateway by ARP every 20 ms for 30 s, says "reply N" for each answer, "reconnect"
when the other side closed, and "garbage" when the stream is out of step."""
import socket, struct, sys, time

MAC = bytes.fromhex("525555000001")
REQUEST = (
    b"\xff" * 6 + MAC + bytes.fromhex("0806000108000604" "0001")
    + MAC + bytes([192, 168, 5, 15]) + bytes(6) + bytes([192, 168, 5, 2])
)


def connect():
    while True:
        try:
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(sys.argv[1])
            peer.settimeout(0.02)
            return peer
        except OSError:
            time.sleep(0.05)


def main():
    peer, buffer, replies, end = connect(), b"", 0, time.time() + 30
    while time.time() < end:
        try:
            peer.sendall(struct.pack(">I", len(REQUEST)) + REQUEST)
            data = peer.recv(65536)
            if not data:
                raise ConnectionResetError
            buffer += data
        except TimeoutError:
            continue
        except OSError:
            print("reconnect", flush=True)
            peer, buffer = connect(), b""
            continue
        while len(buffer) >= 4:
            (length,) = struct.unpack(">I", buffer[:4])
            if not 14 <= length <= 65553:
                print("garbage", flush=True)
                return
            if len(buffer) < 4 + length:
                break
            frame, buffer = buffer[4 : 4 + length], buffer[4 + length :]
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x02":
                replies += 1
                print("reply", replies, flush=True)
        time.sleep(0.02)


main()
