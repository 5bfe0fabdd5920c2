#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd.py SOCKET COUNT SECONDS SEED - many guests of a switched network at once, each by a QEMU
stream socket of its own. They join and leave at random, some in the middle of a frame, get their
addresses by DHCP, send numbered packets to each other and ping the router.

Prints one JSON object:
  joins, leases     how often a guest came, and how often it was given an address
  addresses         each guest's Ethernet address and the address it was given
  changed           guests that were given another address than before
  shared            addresses that two guests had at once
  sent, received    packets between guests, at the end, when all are there
  wrong             packets that reached a guest they were not for, while the right one was there
  pings, pongs      to the router, at the end
  closed            links that the other side ended
  unanswered        guests that asked for an address in vain, for minutes"""
import json, random, selectors, socket, struct, sys, time

path, count, seconds, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
BROADCAST, MAGIC = b"\xff" * 6, b"crowd"
router_mac = router = None
totals = dict.fromkeys(
    ["joins", "leases", "changed", "shared", "sent", "received", "wrong", "pings", "pongs", "closed", "unanswered"], 0)
poll = selectors.DefaultSelector()


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack(">H", ~total & 0xFFFF)


def ip(source_mac, mac, source, target, protocol, payload):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + source + target
    return mac + source_mac + b"\x08\x00" + head[:10] + checksum(head) + head[12:] + payload


class Guest:
    def __init__(self, number):
        self.number, self.socket, self.address = number, None, None
        self.mac = b"\x52\x55\x55\x01" + struct.pack(">H", number)
        self.last = None

    def join(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.input, self.output, self.address = b"", b"", None
        self.joined = self.asked = time.monotonic()
        totals["joins"] += 1
        poll.register(self.socket, selectors.EVENT_READ, self)
        self.dhcp(1)

    def leave(self):
        poll.unregister(self.socket)
        if rng.random() < 0.2:
            try:
                self.socket.send(struct.pack(">I", 500) + b"half a frame")
            except OSError:
                pass
        self.socket.close()
        self.socket = self.address = None

    def send(self, frame):
        self.output += struct.pack(">I", len(frame)) + frame
        self.flush()

    def flush(self):
        try:
            while self.output:
                self.output = self.output[self.socket.send(self.output):]
        except BlockingIOError:
            pass
        except OSError:
            totals["closed"] += 1
            self.leave()

    def dhcp(self, kind, offer=b"", server=b""):
        self.asked = time.monotonic()
        options = bytes([53, 1, kind]) + b"\x0c" + bytes([len(f"guest-{self.number}")]) + f"guest-{self.number}".encode()
        if offer:
            options += b"\x32\x04" + offer + b"\x36\x04" + server
        message = struct.pack(">BBBBIHH", 1, 1, 6, 0, self.number + 1, 0, 0) + bytes(16) + self.mac + bytes(202)
        message += b"\x63\x82\x53\x63" + options + b"\xff"
        udp = struct.pack(">HHHH", 68, 67, 8 + len(message), 0) + message
        self.send(ip(self.mac, BROADCAST, bytes(4), b"\xff" * 4, 17, udp))

    def read(self):
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            totals["closed"] += 1
            self.leave()
            return
        self.input += data
        at = 0
        while self.socket and len(self.input) - at >= 4:
            (length,) = struct.unpack_from(">I", self.input, at)
            if len(self.input) - at < 4 + length:
                break
            self.frame(self.input[at + 4:at + 4 + length])
            at += 4 + length
        self.input = self.input[at:]

    def frame(self, frame):
        global router, router_mac
        kind = frame[12:14]
        if kind == b"\x08\x06" and frame[38:42] == self.address and frame[20:22] == b"\x00\x01":
            answer = frame[22:28] + self.mac + b"\x08\x06" + frame[14:20] + b"\x00\x02" + self.mac
            self.send(answer + self.address + frame[22:32])
        if kind != b"\x08\x00":
            return
        protocol, payload = frame[23], frame[34:]
        if protocol == 17 and payload[2:4] == b"\x00\x44" and payload[36:42] == self.mac:
            self.lease(payload[8:], frame)
        elif protocol == 1 and payload[0] == 0 and frame[:6] == self.mac:
            totals["pongs"] += 1
        elif protocol == 253 and payload[:5] == MAGIC:
            (target,) = struct.unpack_from(">H", payload, 5)
            if target == self.number:
                totals["received"] += 1
            else:
                # Flooded is fair while the switch cannot know where its guest is.
                other = guests[target]
                if other.address and time.monotonic() - other.joined > 1:
                    totals["wrong"] += 1

    def lease(self, message, frame):
        global router, router_mac
        options, at = {}, 240
        while at + 1 < len(message) and message[at] != 255:
            options[message[at]] = message[at + 2:at + 2 + message[at + 1]]
            at += 2 + message[at + 1]
        kind = options.get(53, b"\0")[0]
        if kind == 2 and not self.address:
            self.dhcp(3, message[16:20], options[54])
        elif kind == 5 and not self.address:
            self.address, router, router_mac = message[16:20], options[3], frame[6:12]
            totals["leases"] += 1
            totals["changed"] += self.last not in (None, self.address)
            totals["shared"] += any(g is not self and g.address == self.address for g in guests)
            self.last = self.address
        elif kind == 6:
            self.dhcp(1)


guests = [Guest(n) for n in range(count)]
lost, progress = 0, (0, time.monotonic())  # packets given up, and when one came last
PATIENCE = 120  # for all to have an address, on a machine that does other things, too


def turn(now):
    for key, _ in poll.select(0.001):
        if key.data.socket:
            key.data.read()
    for guest in guests:
        if guest.socket and guest.output:
            guest.flush()
        if guest.socket and not guest.address and now - guest.asked > 2:
            guest.dhcp(1)


def gather():
    """Until every guest is there and has an address."""
    for guest in guests:
        if not guest.socket:
            guest.join()
    end = time.monotonic() + PATIENCE
    while any(not g.address for g in guests) and (now := time.monotonic()) < end:
        turn(now)
        for guest in guests:
            if not guest.socket:
                guest.join()
    totals["unanswered"] += sum(not g.address for g in guests)


def talk():
    """Some packets between guests, and one to the router."""
    global sequence
    present = [g for g in guests if g.address and not g.output]
    for _ in range(50 if len(present) > 1 else 0):
        a, b = rng.sample(present, 2)
        if a.socket and b.address and not a.output:
            sequence += 1
            body = MAGIC + struct.pack(">HI", b.number, sequence) + bytes(rng.randrange(1200))
            totals["sent"] += 1
            a.send(ip(a.mac, b.mac, a.address, b.address, 253, body))
    a = rng.choice(present) if present else None
    if a and a.socket and a.address and not a.output:
        echo = b"\x08\x00\x00\x00" + struct.pack(">HH", a.number, sequence & 0xFFFF) + b"ping"
        totals["pings"] += 1
        a.send(ip(a.mac, router_mac, a.address, router, 1, echo[:2] + checksum(echo) + echo[4:]))


sequence = 0
gather()
end = time.monotonic() + seconds
next_churn = time.monotonic()
while (now := time.monotonic()) < end:
    turn(now)
    # No more than what is under way is answered for.
    if totals["sent"] - totals["received"] - lost < 200:
        talk()
    elif now - progress[1] > 1:
        lost = totals["sent"] - totals["received"]
    if totals["received"] != progress[0]:
        progress = totals["received"], now
    if now > next_churn:
        next_churn = now + 0.1
        for guest in rng.sample(guests, max(1, count // 40)):
            if guest.socket:
                guest.leave()
            else:
                guest.join()


def settle():
    """Until nothing has come for a second."""
    count, quiet = -1, time.monotonic()
    while time.monotonic() - quiet < 1:
        turn(time.monotonic())
        if (now := totals["received"] + totals["pongs"]) != count:
            count, quiet = now, time.monotonic()


# Who leaves takes packets along: delivery is counted while nobody does.
gather()
settle()
totals.update(sent=0, received=0, pings=0, pongs=0)
end = time.monotonic() + 30
while totals["sent"] < 3000 and time.monotonic() < end:
    turn(time.monotonic())
    if totals["sent"] - totals["received"] < 200:
        talk()
settle()
totals["addresses"] = {
    ":".join(f"{b:02x}" for b in g.mac): socket.inet_ntoa(g.last) for g in guests if g.last}
for guest in guests:
    if guest.socket:
        guest.leave()
print(json.dumps(totals))
