#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# rogue.py INTERFACE GATEWAY_MAC - sends from a guest what no guest may say to the host, each frame three times:
# a router advertisement, a DHCP offer, an ICMP redirect, a router advertisement of IPv4, the gateway's address by ARP,
# packets for and from addresses that are not the gateway's, a VLAN tag, IP options. Each has ROGUE in it.
import socket
import struct
import sys

interface, gateway = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
own = s.getsockname()[4]
mark = b"ROGUE" * 3
me, host = socket.inet_aton("192.168.105.2"), socket.inet_aton("192.168.105.1")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def ip(proto, source, destination, payload, options=b""):
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), 1, 0, 64, proto, 0,
                       source, destination) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(source, destination):
    return struct.pack("!HHHH", source, destination, 8 + len(mark), 0) + mark


def icmp(kind):
    body = struct.pack("!BBHL", kind, 0, 0, 0) + mark
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def ether(to, kind, payload):
    return to + own + struct.pack("!H", kind) + payload


link_local = socket.inet_pton(socket.AF_INET6, "fe80::1")
all_nodes = socket.inet_pton(socket.AF_INET6, "ff02::1")
advert = struct.pack("!BBHBBHLL", 134, 0, 0, 64, 0, 1800, 0, 0) + mark
six = struct.pack("!LHBB", 0x60000000, len(advert), 58, 255) + link_local + all_nodes + advert
everybody = b"\xff" * 6
elsewhere = socket.inet_aton("10.99.0.1")
frames = [
    ether(b"\x33\x33\0\0\0\1", 0x86DD, six),
    ether(gateway, 0x86DD, six),
    ether(everybody, 0x0800, ip(17, me, b"\xff" * 4, udp(67, 68))),
    ether(gateway, 0x0800, ip(17, me, host, udp(67, 68))),
    ether(gateway, 0x0800, ip(1, me, host, icmp(5))),
    ether(b"\1\0\x5e\0\0\1", 0x0800, ip(1, me, socket.inet_aton("224.0.0.1"), icmp(9))),
    ether(everybody, 0x0806, struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, own, host, b"\0" * 6, host) + mark),
    ether(gateway, 0x0800, ip(17, me, elsewhere, udp(4000, 4000))),
    ether(everybody, 0x0800, ip(17, me, elsewhere, udp(4000, 4000))),
    ether(gateway, 0x0800, ip(17, elsewhere, host, udp(4000, 4000))),
    ether(gateway, 0x0800, ip(17, host, host, udp(4000, 4000))),
    ether(gateway, 0x8100, struct.pack("!HH", 5, 0x0800) + ip(17, me, host, udp(4000, 4000))),
    ether(gateway, 0x0800, ip(17, me, host, udp(4000, 4000), b"\x83\x07\x04" + elsewhere + b"\0")),
    ether(gateway, 0x0800, ip(4, me, host, ip(17, me, host, udp(4000, 4000)))),
]
for _ in range(3):
    for frame in frames:
        s.send(frame)
# One that may: whoever looks for the others finds it.
s.send(ether(gateway, 0x0800, ip(17, me, host, udp(4000, 4000).replace(b"ROGUE", b"FINE!"))))
print("sent", flush=True)
