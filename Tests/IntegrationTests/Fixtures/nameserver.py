#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A nameserver on loopback that does what the name asked for says.

Prints one JSON line with its port (UDP and TCP), then serves until its standard
input ends, and prints at the end how often it was asked for each name.
  a.test, alias.test     an address; a CNAME record and the address, TTL 300
  TYPE.types.test        a record of that type
  nodata.test, no*.test  NODATA, NXDOMAIN, with an SOA that says 60 seconds
  slow.test              an answer after 2.5 seconds
  dead.test              nothing
  id.test, question.test first an answer with another id or question, then the right one
  liar.test              only answers with another id
  cut.test               truncated over UDP, whole over TCP
  huge.test              the same with 64 KiB
  fail.test              SERVFAIL
  ttl1.test              TTL 1
"""
import json, socket, struct, sys, threading, time

ANSWERS = {
    "txt": (16, b"\x05hello"), "ns": (2, b"\x02ns\x04test\0"), "mx": (15, b"\0\x07\x04mail\x04test\0"),
    "srv": (33, b"\0\x01\0\x02\x01\xbb\x01a\x04test\0"), "caa": (257, b"\0\x05issueca.test"),
    "https": (65, b"\0\x01\0\0\x01\0\x03\x02h2"), "svcb": (64, b"\0\x01\0\0\x01\0\x03\x02h3"),
    "soa": (6, b"\0\0" + struct.pack(">5I", 1, 2, 3, 4, 5)), "ptr": (12, b"\x01a\x04test\0"),
    "cname": (5, b"\x01a\x04test\0"), "unknown": (65280, b"\1\2\3"),
    "aaaa": (28, bytes([0x20, 1, 0xd, 0xb8] + [0] * 11 + [1])), "naptr": (35, b"\0\1\0\2\1u\0\0\0"),
}
asked = {}


def record(kind, data, ttl=300, name=b"\xc0\x0c"):
    return name + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


def reply(query, code=0, answers=(), authority=(), flags=0):
    end = 12
    while query[end]:
        end += 1 + query[end]
    question = query[12 : end + 5]
    head = query[:2] + struct.pack(">5H", 0x8180 | flags | code, 1, len(answers), len(authority), 0)
    return head + question + b"".join(answers) + b"".join(authority)


def respond(query, stream):
    """Messages to send, one after another, each after a delay in seconds."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin1").lower())
        at += 1 + query[at]
    kind, klass = struct.unpack(">HH", query[at + 1 : at + 5])
    name, first = ".".join(labels), labels[0] if labels else ""
    asked[name] = asked.get(name, 0) + 1
    soa = record(6, b"\0\0" + struct.pack(">5I", 1, 2, 3, 4, 60), 900, b"\0")
    address = record(1, b"\xc0\0\2\1")
    if klass != 1:
        return [(0, reply(query, 0, [b"\xc0\x0c" + struct.pack(">HHIH", 16, klass, 0, 6) + b"\5class"]))]
    if first.startswith("no"):
        return [(0, reply(query, 0 if first == "nodata" else 3, authority=[soa]))]
    if first == "slow":
        return [(2.5, reply(query, 0, [address]))]
    if first == "dead":
        return []
    if first in ("id", "liar"):
        wrong = bytes([query[0] ^ 1]) + reply(query, 0, [record(1, b"\6\6\6\6")])[1:]
        return [(0, wrong)] + ([(0.1, reply(query, 0, [address]))] if first == "id" else [])
    if first == "question":
        wrong = reply(query, 0, [record(1, b"\6\6\6\6")]).replace(b"\x08question", b"\x08questiom")
        return [(0, wrong), (0.1, reply(query, 0, [address]))]
    if first in ("cut", "huge"):
        strings = 200 if first == "cut" else 64000
        data = b"".join(bytes([n]) + b"x" * n for n in [255] * (strings // 256) + [strings % 256])
        whole = reply(query, 0, [record(16, data)])
        return [(0, whole if stream else reply(query, flags=0x0200))]
    if first == "fail":
        return [(0, reply(query, 2))]
    if first == "alias":
        return [(0, reply(query, 0, [record(5, b"\1a\4test\0"), record(1, b"\xc0\0\2\1", name=b"\1a\4test\0")]))]
    if first in ANSWERS and (kind == ANSWERS[first][0] or first == "unknown"):
        return [(0, reply(query, 0, [record(*ANSWERS[first])]))]
    if kind == 1:
        return [(0, reply(query, 0, [record(1, b"\xc0\0\2\1", 1 if first == "ttl1" else 300)]))]
    return [(0, reply(query, 0, authority=[soa]))]


def later(messages, send):
    def run():
        for delay, message in messages:
            time.sleep(delay)
            send(message)
    threading.Thread(target=run, daemon=True).start()


def serve_stream(client):
    with client:
        while True:
            head = client.recv(2, socket.MSG_WAITALL)
            if len(head) < 2:
                return
            query = client.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
            for delay, message in respond(query, True):
                time.sleep(delay)
                client.sendall(struct.pack(">H", len(message)) + message)


def accept(listener):
    while True:
        threading.Thread(target=serve_stream, args=(listener.accept()[0],), daemon=True).start()


def datagrams(udp):
    while True:
        query, sender = udp.recvfrom(4096)
        later(respond(query, False), lambda message, sender=sender: udp.sendto(message, sender))


udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    udp.bind(("127.0.0.1", 0))
    tcp = socket.socket()
    try:
        tcp.bind(udp.getsockname())
        break
    except OSError:
        udp.close()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tcp.listen(64)
threading.Thread(target=accept, args=(tcp,), daemon=True).start()
threading.Thread(target=datagrams, args=(udp,), daemon=True).start()
print(json.dumps({"port": udp.getsockname()[1]}), flush=True)
sys.stdin.read()
print(json.dumps(asked), flush=True)
