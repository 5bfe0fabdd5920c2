# SPDX-License-Identifier: Apache-2.0
#
# limactl.py HOME NETWORK MAC SSHPORT HOSTNAME: does with a user-v2 network what Lima's driver does when it starts an
# instance: takes it for running by its files, waits for the lease, exposes SSH, pushes zones, waits for the port.
# Prints one line for each step. Connects to the QEMU socket first, as Lima does, with the descriptor for QEMU.

import http.client, json, os, signal, socket, sys, time

home, network, mac, ssh_port, hostname = sys.argv[1:]
directory = f"{home}/_networks/{network}"


class Client(http.client.HTTPConnection):
    """One kept alive over the endpoint's socket, any host name, as Go's client."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(f"{directory}/{network}_ep.sock")


def call(method, path, body=None, timeout=30):
    client = Client("lima", timeout=timeout)
    client.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    reply = client.getresponse()
    text = reply.read().decode()
    client.close()
    return reply.status, text


def living():
    """ReadPIDFile: a number, and a process of that number."""
    try:
        pid = int(open(f"{directory}/usernet_{network}.pid").read().strip())
        os.kill(pid, 0)
        return pid
    except (FileNotFoundError, ProcessLookupError):
        return 0


if not living():
    sys.exit("Lima would start a usernet of its own")
deadline = time.time() + 10
while not os.path.exists(f"{directory}/{network}_fd.sock"):
    if time.time() > deadline:
        sys.exit("no fd socket")
    time.sleep(0.5)
print("running")

qemu = socket.socket(socket.AF_UNIX)
qemu.connect(f"{directory}/{network}_qemu.sock")
print("connected")
qemu.close()

address = None
deadline = time.time() + 60
while not address:
    status, text = call("GET", "/services/dhcp/leases")
    assert status == 200, text
    leases = json.loads(text)
    assert "5a:94:ef:e4:0c:dd" in leases.values(), leases
    address = next((ip for ip, owner in leases.items() if owner == mac), None)
    if time.time() > deadline:
        sys.exit(f"usernet unable to resolve IP for SSH forwarding: {leases}")
    if not address:
        time.sleep(0.5)
print(f"lease {address}")

forward = {"local": f"127.0.0.1:{ssh_port}", "remote": f"{address}:22", "protocol": "tcp"}
status, text = call("POST", "/services/forwarder/expose", forward)
assert status == 200, text
assert forward in json.loads(call("GET", "/services/forwarder/all")[1])
print("exposed")

zone = {"Name": "internal.", "Records": [{"Name": hostname, "IP": address}], "DefaultIP": ""}
status, text = call("POST", "/services/dns/add", zone)
assert status == 200, text
print("named")

began = time.time()
status, text = call("GET", f"/extension/wait_port?ip={address}&port=22&timeout=599", timeout=620)
assert status == 200, text
print(f"open after {time.time() - began:.1f}")

with socket.create_connection(("127.0.0.1", int(ssh_port)), 10) as client:
    client.settimeout(10)
    print("greeting", client.recv(100).decode().strip())

tunnel = socket.socket(socket.AF_UNIX)
tunnel.settimeout(10)
tunnel.connect(f"{directory}/{network}_ep.sock")
tunnel.sendall(f"POST /tunnel?ip={address}&port=22 HTTP/1.1\r\nHost: lima\r\nContent-Length: 0\r\n\r\n".encode())
got = b""
while b"\n" not in got:
    piece = tunnel.recv(100)
    assert piece, got
    got += piece
assert got.startswith(b"OK"), got
print("tunnel", got[2:].decode().strip())

status, text = call("POST", "/services/forwarder/unexpose", {"local": forward["local"], "protocol": "tcp"})
assert status == 200, text
status, text = call("POST", "/services/forwarder/unexpose", {"local": forward["local"], "protocol": "tcp"})
assert (status, text) == (500, "proxy not found\n"), (status, text)
print("unexposed")

# Stop(): with no instance left, Lima keeps the leases and ends the process.
leases = json.loads(call("GET", "/services/dhcp/leases")[1])
pid = living()
os.kill(pid, signal.SIGINT)
for _ in range(10):
    if not living():
        break
    time.sleep(0.5)
else:
    sys.exit("the network does not end")
print("stopped")
deadline = time.time() + 10
while not living():
    if time.time() > deadline:
        sys.exit("the network is not there again")
    time.sleep(0.1)
assert living() != pid
print("there again")
