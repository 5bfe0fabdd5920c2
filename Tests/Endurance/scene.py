# SPDX-License-Identifier: Apache-2.0
"""What soak and kills share: a namespace, a daemon, guests of several kinds, servers of the host, and looks at processes."""
import json, os, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WEB = 5421
GATEWAYS = {"default": "192.168.5.2", "user-v2": "192.168.104.2", "limited": "192.168.119.2"}


def enter():
    """Goes on in a network namespace of its own, in which nothing else is."""
    if os.getuid() != 0:
        sys.exit(f"{sys.argv[0]} makes a network namespace: run it as root.")
    if os.environ.get("LIMA_NETD_ENDURANCE") != "inside":
        os.environ["LIMA_NETD_ENDURANCE"] = "inside"
        os.execvp("unshare", ["unshare", "-n", "-m", "--propagation", "private", sys.executable, *sys.argv])
    # What was begun is ended by whoever ends this, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")


def eventually(condition, seconds=30.0, pause=0.2):
    end = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(pause)


def configuration(number):
    """Another one for each number, none of which needs a network to start anew."""
    return f"""networks:
  user-v2: {{mode: user-v2, gateway: 192.168.104.1}}
  limited:
    mode: user-v2
    gateway: 192.168.119.1
    egress: {{rules: [{{deny: 203.0.113.{number % 200}}}]}}
    limits:
      fromGuest: {{bytesPerSecond: {4_000_000 + 1_000_000 * (number % 4)}}}
      newFlowsPerSecond: {200 + number % 5}
    dns: {{hosts: {{"round{number % 7}.example": 10.0.0.{number % 200 + 1}}}}}
"""


class Servers:
    """A web server of the host's, which takes files, too."""

    def __init__(self):
        script = f"""
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "100000"); self.end_headers(); self.wfile.write(bytes(100000))
    def do_POST(self):
        left = int(self.headers["Content-Length"])
        while left: left -= len(self.rfile.read(min(left, 65536)))
        self.send_response(204); self.end_headers()
    def log_message(self, *words): pass
web = http.server.ThreadingHTTPServer(("127.0.0.1", {WEB}), Page); web.daemon_threads = True
web.serve_forever()
"""
        self.process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)

    def close(self):
        self.process.kill()
        self.process.wait()


class Daemon:
    def __init__(self, products):
        self.netd = Path(products).resolve() / "lima-netd"
        if not self.netd.exists():
            sys.exit(f"{self.netd} is not there: make build, or --products")
        self.home = Path(tempfile.mkdtemp(prefix="lnd-endurance"))
        self.environment = os.environ | {"LIMA_HOME": str(self.home)}
        self.configure(0)
        self.process = None
        self.start()

    def configure(self, number):
        folder = self.home / "_config"
        folder.mkdir(exist_ok=True)
        (folder / "networks.yaml.new").write_text(configuration(number))
        (folder / "networks.yaml.new").rename(folder / "networks.yaml")

    def start(self):
        self.process = subprocess.Popen(
            [self.netd, "serve"], env=self.environment, stdout=subprocess.DEVNULL, stderr=open(self.home / "stderr", "a"))
        if not eventually(self.answers):
            sys.exit(f"the daemon does not start: {(self.home / 'stderr').read_text()[-2000:]}")

    def answers(self):
        return self.netd_run("status").returncode == 0

    def netd_run(self, *words, seconds=60):
        try:
            return subprocess.run(
                [self.netd, *map(str, words)], env=self.environment, text=True, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 124, "", "no answer")

    def json(self, *words):
        result = self.netd_run(*words, "--json")
        try:
            return json.loads(result.stdout)
        except ValueError:
            return None

    def processes(self):
        """The daemon's and the networks' by name."""
        status = self.json("status") or {"networks": []}
        found = {"daemon": self.process.pid}
        for network in status["networks"]:
            if network.get("host"):
                found[network["name"]] = network["host"]["pid"]
        return found

    def guest(self, network, name, script):
        return subprocess.Popen(
            [self.netd, "exec", network, "--name", name, "--", "sh", "-c", script], env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def socket(self, network, kind="qemu"):
        return self.home / f"_networks/{network}/{network}_{kind}.sock"

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def remains(self):
        """Processes and sockets that are left when it has ended."""
        left = [str(path) for path in (self.home / "_networks").glob("**/*.sock")]
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if str(self.home).encode() in (folder / "environ").read_bytes() and b"lima-netd" in words[0]:
                    left.append(f"process {folder.name}: {b' '.join(words).decode(errors='replace')[:80]}")
                elif words[0].endswith(b"lima-netd-host") and os.readlink(folder / "ns/net") == os.readlink("/proc/self/ns/net"):
                    left.append(f"process {folder.name}: lima-netd-host")
            except OSError:
                pass
        return left

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)


def held(pid):
    """MiB resident of its own (not of files), and descriptors; None: it has ended."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        pages = int(fields[1]) - int(fields[2])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20, len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
