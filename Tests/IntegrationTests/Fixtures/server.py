#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The host's side of a test or a demo, on loopback.

Prints one JSON line with the ports it has, then serves until its standard input
ends:
  http   GET /            a page
         GET /bytes/N     N bytes, the same every time
         GET /sha256/N    their SHA-256
  sink   TCP: reads until the client shuts down its side, answers with the
         SHA-256 of what came and the number of bytes, closes
  echo   TCP: sends back what it gets, half-close included
  udp    UDP: sends back each datagram
"""
import hashlib, http.server, json, random, socket, socketserver, sys, threading

BLOCK = 1 << 20
TWICE = memoryview(random.Random(1).randbytes(BLOCK) * 2)


def pieces(count):
    """The bytes of /bytes/N: a random block, rotated so that no two are alike."""
    turn = 0
    while count > 0:
        piece = TWICE[turn : turn + min(count, BLOCK)]
        yield piece
        count -= len(piece)
        turn = (turn + 4099) % BLOCK


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = self.path.strip("/").split("/")
        if parts[0] == "bytes" and len(parts) == 2 and parts[1].isdigit():
            count = int(parts[1])
            self.send_response(200)
            self.send_header("Content-Length", str(count))
            self.end_headers()
            for piece in pieces(count):
                self.wfile.write(piece)
            return
        if parts[0] == "sha256" and len(parts) == 2 and parts[1].isdigit():
            digest = hashlib.sha256()
            for piece in pieces(int(parts[1])):
                digest.update(piece)
            body = digest.hexdigest().encode() + b"\n"
        else:
            body = b"Hello from the host.\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        digest, count, buffer = hashlib.sha256(), 0, memoryview(bytearray(BLOCK))
        while got := self.request.recv_into(buffer):
            digest.update(buffer[:got])
            count += got
        self.request.sendall(f"{digest.hexdigest()} {count}\n".encode())


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


class UDPEcho(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


class TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request, address):
        pass  # clients that vanish are part of the tests


class WebServer(TCPServer):
    pass


class UDPServer(socketserver.UDPServer):
    max_packet_size = 65536


servers = {
    "http": WebServer(("127.0.0.1", 0), Web),
    "sink": TCPServer(("127.0.0.1", 0), Sink),
    "echo": TCPServer(("127.0.0.1", 0), Echo),
    "udp": UDPServer(("127.0.0.1", 0), UDPEcho),
}
servers["udp"].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
for server in servers.values():
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({name: server.server_address[1] for name, server in servers.items()}), flush=True)
sys.stdin.read()
