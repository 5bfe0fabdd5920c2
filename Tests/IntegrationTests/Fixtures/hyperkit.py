# SPDX-License-Identifier: Apache-2.0
#
# hyperkit.py SOCKET MAC: a guest by gvproxy's /connect, as gvforwarder is one: frames behind their length in 2 bytes,
# little-endian. Takes an address by DHCP from the one server there is, prints it, and pings the router.

import os, socket, struct, sys, time

path, mac = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", ""))
link = socket.socket(socket.AF_UNIX)
link.settimeout(10)
link.connect(path)
link.sendall(b"POST /connect HTTP/1.1\r\nHost: lima\r\nContent-Length: 0\r\n\r\n")


def send(frame):
    link.sendall(struct.pack("<H", len(frame)) + frame)


def exactly(count):
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            sys.exit("the link ended")
        data += piece
    return data


def frames():
    deadline = time.time() + 10
    while time.time() < deadline:
        yield exactly(struct.unpack("<H", exactly(2))[0])
    sys.exit("nothing came")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(protocol, source, target, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def dhcp(kind, extra=b""):
    bootp = struct.pack("!BBBBIHH16s16s192s4s", 1, 1, 6, 0, 0x1234, 0, 0x8000, b"", mac, b"", b"\x63\x82\x53\x63")
    body = bootp + bytes([53, 1, kind]) + extra + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
    send(b"\xff" * 6 + mac + b"\x08\x00" + ip(17, bytes(4), b"\xff" * 4, udp))
    for frame in frames():
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == b"\x00\x44":
            reply = frame[42:]
            options, at = {}, 240
            while reply[at] != 255:
                options[reply[at]] = reply[at + 2 : at + 2 + reply[at + 1]]
                at += 2 + reply[at + 1]
            return reply[16:20], options


address, offer = dhcp(1)
server = offer[54]
address, ack = dhcp(3, b"\x32\x04" + address + b"\x36\x04" + server)
assert ack[53] == b"\x05", ack
print("address", socket.inet_ntoa(address), flush=True)

send(b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, mac, address, b"", server))
router = next(f[22:28] for f in frames() if f[12:14] == b"\x08\x06" and f[28:32] == server)
echo = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"over two bytes of length"
echo = echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:]
send(router + mac + b"\x08\x00" + ip(1, address, server, echo))
for frame in frames():
    if frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 0:
        print("pong", frame[42 : 42 + 24].decode(), flush=True)
        break
time.sleep(float(os.environ.get("LINGER", "0")))
