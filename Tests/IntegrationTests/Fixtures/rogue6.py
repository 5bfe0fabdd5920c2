#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# rogue6.py INTERFACE GATEWAY_MAC GATEWAY OWN OTHER - sends from a guest what no guest may say to the host over IPv6, each frame
# three times: router advertisements and redirects, answers of a DHCPv6 server, the gateway's address as its own, packets for and
# from addresses that are not the gateway's or the guest's, to the gateway's link-local address, extension headers, and discovery
# in fragments. Each has ROGUE in it. OWN is the guest's address, OTHER another one of the host's.
import socket
import struct
import sys

interface, mac, gateway, me, other = sys.argv[1:6]
mac = bytes.fromhex(mac.replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
own = s.getsockname()[4]
mark = b"ROGUE" * 3


def address(text):
    return socket.inet_pton(socket.AF_INET6, text)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def six(number, source, destination, payload, hops=64):
    return struct.pack("!LHBB", 0x60000000, len(payload), number, hops) + source + destination + payload


def summed(number, source, destination, body, at):
    pseudo = source + destination + struct.pack("!LL", len(body), number)
    return body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]


def udp(source, destination, ports, payload=mark):
    body = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    return six(17, source, destination, summed(17, source, destination, body, 6))


def icmp(source, destination, kind, body, hops=255):
    message = struct.pack("!BBH", kind, 0, 0) + body
    return six(58, source, destination, summed(58, source, destination, message, 2), hops)


def ether(to, payload):
    return to + own + struct.pack("!H", 0x86DD) + payload


def link_local(hardware):
    return address("fe80::") [:8] + bytes([hardware[0] ^ 2]) + hardware[1:3] + b"\xff\xfe" + hardware[3:]


gateway, me, other = address(gateway), address(me), address(other)
neighbor, router = link_local(own), link_local(mac)
all_nodes = address("ff02::1")
group = b"\x33\x33\0\0\0\1"
# An option of a length of its own with the mark in it.
option = b"\xfd\x02" + mark[:14]
advert = struct.pack("!BBHLL", 64, 0, 1800, 0, 0) + option
prefix = struct.pack("!BBBBLLL", 3, 4, 64, 0xC0, 86400, 14400, 0) + address("fd66::")
target = struct.pack("!BB", 2, 1) + own
frames = [
    ether(group, icmp(neighbor, all_nodes, 134, advert + prefix)),
    ether(mac, icmp(neighbor, router, 134, advert + prefix)),
    ether(mac, icmp(neighbor, gateway, 134, advert + prefix)),
    ether(mac, icmp(router, gateway, 137, bytes(4) + neighbor + other + option)),
    ether(mac, icmp(neighbor, router, 137, bytes(4) + neighbor + other + option)),
    ether(group, icmp(me, all_nodes, 136, b"\x20\0\0\0" + gateway + target + option)),
    ether(mac, icmp(me, gateway, 136, b"\x60\0\0\0" + gateway + target + option)),
    ether(mac, icmp(me, gateway, 136, b"\x60\0\0\0" + other + target + option)),
    ether(group, udp(neighbor, all_nodes, (547, 546))),
    ether(mac, udp(me, gateway, (547, 546))),
    ether(mac, udp(neighbor, router, (4000, 4000))),
    ether(mac, udp(me, other, (4000, 4000))),
    ether(mac, udp(other, gateway, (4000, 4000))),
    ether(mac, udp(gateway, gateway, (4000, 4000))),
    ether(mac, udp(neighbor, gateway, (4000, 4000))),
    # Hop-by-hop options, a routing header, destination options before a datagram.
    ether(mac, six(0, me, gateway, b"\x11\0\x01\x04\0\0\0\0" + udp(me, gateway, (4000, 4000))[40:])),
    ether(mac, six(43, me, gateway, b"\x11\x02\0\1\0\0\0\0" + other + udp(me, gateway, (4000, 4000))[40:])),
    ether(mac, six(60, me, gateway, b"\x11\0\x01\x04\0\0\0\0" + udp(me, gateway, (4000, 4000))[40:])),
    # Discovery in a fragment (RFC 6980).
    ether(mac, six(44, me, gateway, b"\x3a\0\0\1\0\0\0\7"
                   + icmp(me, gateway, 136, b"\x60\0\0\0" + gateway + target + option)[40:], 255)),
    # A tunnel.
    ether(mac, six(41, me, gateway, udp(me, gateway, (4000, 4000)))),
]
for _ in range(3):
    for frame in frames:
        s.send(frame)
# One that may: whoever looks for the others finds it.
s.send(ether(mac, udp(me, gateway, (4000, 4000), b"FINE!")))
print("sent", flush=True)
