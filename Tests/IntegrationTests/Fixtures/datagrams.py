#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""datagrams.py serve | trace ADDRESS | path ADDRESS | echo ADDRESS SIZE TOS

serve   echoes datagrams on port 7000, with the traffic class they came with
trace   asks with growing time-to-live who is on the way: "1 192.168.5.2 11/0", ...
path    sends datagrams that must not be cut, and prints what is heard of the path
echo    sends one of SIZE bytes that may be cut, and prints what comes back
"""
import errno
import socket
import struct
import sys
import time

IP_TOS, IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTOS, IP_MTU = 1, 10, 11, 13, 14


def report(udp):
    """The next entry of the error queue: errno, type, code, MTU, who sent it."""
    for _ in range(200):
        try:
            _, control, _, _ = udp.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        for level, kind, data in control:
            if level == socket.IPPROTO_IP and kind == IP_RECVERR:
                code, _, icmp, icmp_code, _, info, _ = struct.unpack("=IBBBBII", data[:16])
                return code, icmp, icmp_code, info, socket.inet_ntoa(data[20:24])
    return None


def client():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    udp.setblocking(False)
    return udp


def serve():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    udp.bind(("0.0.0.0", 7000))
    print("ready", flush=True)
    while True:
        data, control, _, peer = udp.recvmsg(65535, 64)
        tos = next((value[0] for _, kind, value in control if kind == IP_TOS), 0)
        udp.setsockopt(socket.IPPROTO_IP, IP_TOS, tos)
        udp.sendto(data, peer)
        print(f"got {len(data)} from port {peer[1]} tos {tos}", flush=True)


def trace(address):
    for ttl in range(1, 10):
        udp = client()
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        udp.sendto(b"who is there?", (address, 33433 + ttl))
        heard = report(udp)
        if heard is None:
            print(ttl, "silence", flush=True)
            continue
        print(ttl, heard[4], f"{heard[1]}/{heard[2]}", flush=True)
        if heard[0] == errno.ECONNREFUSED:
            return


def path(address):
    udp = client()
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 2)
    udp.connect((address, 7000))
    for size in (2000, 1400, 1252):
        try:
            udp.send(bytes(size))
        except OSError as error:
            print(size, errno.errorcode[error.errno], "mtu", udp.getsockopt(socket.IPPROTO_IP, IP_MTU))
            report(udp)
            continue
        if size == 1252:
            udp.setblocking(True)
            udp.settimeout(5)
            print(size, "echo", len(udp.recv(65535)))
            continue
        heard = report(udp)
        print(size, "silence" if heard is None else f"{errno.errorcode[heard[0]]} mtu {heard[3]} from {heard[4]}")


def echo(address, size, tos):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 0)
    udp.setsockopt(socket.IPPROTO_IP, IP_TOS, tos)
    udp.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)
    udp.settimeout(5)
    sent = bytes(index & 255 for index in range(size))
    udp.sendto(sent, (address, 7000))
    got, control, _, _ = udp.recvmsg(65535, 64)
    back = next((value[0] for _, kind, value in control if kind == IP_TOS), 0)
    print("port", udp.getsockname()[1], "equal" if got == sent else f"{len(got)} bytes", "tos", back)


words = sys.argv[1:]
{"serve": serve, "trace": trace, "path": path, "echo": lambda a, s, t: echo(a, int(s), int(t))}[words[0]](*words[1:])
