# SPDX-License-Identifier: Apache-2.0
"""A guest at a network's stream socket, as QEMU is: it asks for the gateway by ARP, pings it, and connects again when its
link has been closed (reconnect=1)."""
import random, socket, struct, threading, time


class StreamGuest:
    def __init__(self, path, gateway, is_alone):
        self.path, self.gateway = str(path), socket.inet_aton(gateway)
        self.mac = bytes([0x52, 0x55, 0x55, 0xE0]) + random.randbytes(2)
        prefix = self.gateway[:3]
        # Where guests are alone all have one address.
        self.address = prefix + (b"\x0f" if is_alone else bytes([random.randint(150, 250)]))
        self.answers, self.links, self.over = 0, 0, False
        self.last = 0.0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def close(self):
        self.over = True
        self.thread.join(10)

    def run(self):
        while not self.over:
            try:
                with socket.socket(socket.AF_UNIX) as link:
                    link.settimeout(1)
                    link.connect(self.path)
                    self.links += 1
                    self.talk(link)
            except OSError:
                time.sleep(0.2)

    def talk(self, link):
        router, number = None, 0
        while not self.over:
            number += 1
            if router is None:
                self.send(link, b"\xff" * 6, 0x0806, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + self.mac + self.address + bytes(6) + self.gateway)
            else:
                self.send(link, router, 0x0800, self.echo(number))
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                try:
                    frame = self.receive(link)
                except TimeoutError:
                    break
                if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x02" and frame[28:32] == self.gateway:
                    router = frame[22:28]
                elif frame[12:14] == b"\x08\0" and frame[23] == 1 and frame[34] == 0:
                    self.answers, self.last = self.answers + 1, time.monotonic()
                    break

    def send(self, link, to, kind, payload):
        frame = (to + self.mac + struct.pack(">H", kind) + payload).ljust(60, b"\0")
        link.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self, link):
        return self.read(link, struct.unpack(">I", self.read(link, 4))[0])

    def read(self, link, count):
        have = b""
        while len(have) < count:
            more = link.recv(count - len(have))
            if not more:
                raise ConnectionError
            have += more
        return have

    def echo(self, number):
        icmp = struct.pack(">BBHHH", 8, 0, 0, 7, number & 0xFFFF) + bytes(32)
        icmp = icmp[:2] + struct.pack(">H", total(icmp)) + icmp[4:]
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0x4000, 64, 1, 0) + self.address + self.gateway
        return head[:10] + struct.pack(">H", total(head)) + head[12:] + icmp


def total(data):
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF
