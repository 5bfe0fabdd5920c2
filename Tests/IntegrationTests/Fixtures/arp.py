#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
#
# arp.py INTERFACE SENDER TARGET - says by ARP that SENDER is at this interface, once in each way there is: asks everybody for
# TARGET, answers everybody, announces itself. Prints the interface's Ethernet address.
import socket
import struct
import sys

interface, sender, target = sys.argv[1], socket.inet_aton(sys.argv[2]), socket.inet_aton(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((interface, 0))
own = s.getsockname()[4]


def arp(operation, about):
    s.send(b"\xff" * 6 + own + struct.pack("!HHHBBH6s4s6s4s", 0x0806, 1, 0x0800, 6, 4, operation,
                                           own, sender, b"\0" * 6, about))


arp(1, target)
arp(2, target)
arp(1, sender)
print(":".join("%02x" % byte for byte in own), flush=True)
