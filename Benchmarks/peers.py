# SPDX-License-Identifier: Apache-2.0
"""The daemons that are compared, each serving a guest that is a network namespace.

The host is another namespace, so that nothing that runs on the machine is in the way and no
traffic leaves it. A guest's link is a TAP device that the daemon opens itself, or the framed
stream of QEMU, which netload plays.
"""
import json, os, re, shutil, socket, statistics, struct, subprocess, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NETD = Path(os.environ.get("LIMA_NETD_PRODUCTS", ROOT / ".build/release")) / "lima-netd"
NETLOAD = ROOT / ".build/netload"
# The port of the host that leads to the same one of the guest.
FORWARDED = 5302
# The daemons run as this user, where that was asked for.
USER = None
GUEST, HOST = f"lndbg{os.getpid()}", f"lndbh{os.getpid()}"
# What the names of the DNS cell are answered by.
DNS_SERVER = "10.99.0.1"


def sh(*words, check=True, **options):
    return subprocess.run([str(word) for word in words], check=check, text=True, capture_output=True, timeout=60, **options)


def wait_for(condition, seconds=10, what="something"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.01)
    raise RuntimeError(f"{what} was not ready in time")


def children(pid):
    """A process and all it started: a supervisor's children do the work."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def build_netload():
    """The load generator, with the compiler that is there."""
    NETLOAD.parent.mkdir(exist_ok=True)
    sources = [Path(__file__).with_name(name) for name in ("netload.c", "relay.c", "netload.h")]
    if not NETLOAD.exists() or NETLOAD.stat().st_mtime < max(source.stat().st_mtime for source in sources):
        sh("cc", "-O2", "-pthread", "-o", NETLOAD, *sources[:2])


def make_namespaces(folder):
    for namespace in (GUEST, HOST):
        sh("ip", "netns", "add", namespace)
        sh("ip", "-n", namespace, "link", "set", "lo", "up")
        # Reno for the daemons' own sockets: a namespace takes cubic only where the machine allows it.
        for setting in ("net.ipv4.tcp_congestion_control=reno", "net.core.somaxconn=8192", "net.ipv4.tcp_tw_reuse=1",
                        "net.ipv4.ip_local_port_range=10000 65000", "net.ipv4.ping_group_range=0 2147483647"):
            sh("ip", "netns", "exec", namespace, "sysctl", "-qw", setting, check=False)
    # What processes of the host's namespace see as /etc/resolv.conf.
    Path(f"/etc/netns/{HOST}").mkdir(parents=True, exist_ok=True)
    Path(f"/etc/netns/{GUEST}").mkdir(parents=True, exist_ok=True)
    Path(f"/etc/netns/{HOST}/resolv.conf").write_text(f"nameserver {DNS_SERVER}\n")
    # An outside that leads nowhere: pasta wants a default route to copy.
    sh("ip", "-n", HOST, "link", "add", "up0", "type", "veth", "peer", "name", "up1")
    for link in ("up0", "up1"):
        sh("ip", "-n", HOST, "link", "set", link, "up")
    sh("ip", "-n", HOST, "addr", "add", f"{DNS_SERVER}/24", "dev", "up0")
    sh("ip", "-n", HOST, "route", "add", "default", "via", "10.99.0.254")


def remove_namespaces():
    for namespace in (GUEST, HOST):
        sh("ip", "netns", "del", namespace, check=False)
        shutil.rmtree(f"/etc/netns/{namespace}", ignore_errors=True)


class Peer:
    """One of the daemons at work. `gateway` reaches the host's loopback, and so does `gateway6` where it has IPv6."""

    gateway6 = None

    def __init__(self, mtu, folder):
        self.mtu, self.folder, self.processes = mtu, folder, []
        self.is_forwarded = False

    def spawn_daemon(self, *words, **options):
        """As USER, without any privilege, if there is one."""
        if USER is not None:
            os.chmod(self.folder, 0o777)
            words = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--bounding-set=-all", *words]
        return self.spawn(*words, **options)

    def spawn(self, *words, namespace=HOST, **options):
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "log", "a"), **options)
        self.processes.append(process)
        return process

    def __enter__(self):
        try:
            make_namespaces(self.folder)
            asking = subprocess.Popen(
                ["ip", "netns", "exec", GUEST, NETLOAD, "arp", "tap0", self.address, self.gateway], text=True,
                stdout=subprocess.PIPE)
            begun = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            self.main = self.start()
            answered = json.loads(asking.communicate(timeout=20)[0])["ns"]
            self.startup_ms = (answered - begun) / 1e6
            # A TAP drops what its queue has no room for; a virtio device would wait.
            sh("ip", "-n", GUEST, "link", "set", "tap0", "mtu", self.mtu, "txqueuelen", "10000", "up")
            sh("ip", "-n", GUEST, "addr", "replace", f"{self.address}/24", "dev", "tap0")
            sh("ip", "-n", GUEST, "route", "replace", "default", "via", self.gateway)
            Path(f"/etc/netns/{GUEST}/resolv.conf").write_text(f"nameserver {self.dns}\n")
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        remove_namespaces()

    def forward(self):
        """Makes FORWARDED of the host lead to an iperf3 in the guest."""
        if self.is_forwarded:
            return
        self.spawn("iperf3", "-s", "-p", FORWARDED, namespace=GUEST)
        self.add_forward()
        wait_for(lambda: f":{FORWARDED} " in self.inside("ss", "-Hltn").stdout, what="iperf3")
        self.is_forwarded = True

    def add_forward(self):
        """Nothing, for a daemon that was started with it."""

    def warm_startup_ms(self):
        """From a guest's arrival to its first ARP answer where the daemon runs; without one, its start."""
        return self.startup_ms

    def relay(self, socket):
        """Plays QEMU: a device in the guest, a stream to the daemon."""
        self.spawn(NETLOAD, "relay", "tap0", self.mtu, socket, namespace=GUEST)

    def pids(self):
        return children(self.main.pid)

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self, file, name):
        total = 0
        for pid in self.pids():
            try:
                total += int(re.search(name + r":\s+(\d+)", Path(f"/proc/{pid}/{file}").read_text())[1])
            except (OSError, TypeError):
                pass
        return total / 1024

    def resident_mib(self):
        return self.memory_mib("status", "VmRSS")

    def proportional_mib(self):
        return self.memory_mib("smaps_rollup", "Pss")

    def inside(self, *words, **options):
        return sh("ip", "netns", "exec", GUEST, *words, **options)


def ask_arp(guest, source, target):
    """Over a stream of QEMU, until it is answered."""
    sender = bytes.fromhex("525555123456")
    request = b"\xff" * 6 + sender + bytes.fromhex("0806 0001 0800 0604 0001") + sender + socket.inet_aton(source)
    request += bytes(6) + socket.inet_aton(target) + bytes(18)
    guest.sendall(struct.pack(">I", len(request)) + request)
    received = b""
    while True:
        piece = guest.recv(65536)
        if not piece:
            raise RuntimeError("the network sent its guest away")
        received += piece
        while len(received) >= 4 and len(received) >= 4 + (length := struct.unpack(">I", received[:4])[0]):
            frame, received = received[4:4 + length], received[4 + length:]
            if frame[12:14] == b"\x08\x06" and frame[21] == 2:
                return


class LimaNetd(Peer):
    name, link, address, gateway, dns = "lima-netd", "TAP", "192.168.5.15", "192.168.5.2", "192.168.5.3"
    prefix6, gateway6 = "fd00:99::", "fd00:99::2"

    @staticmethod
    def version():
        return sh(NETD, "--version").stdout.strip()

    def start(self):
        self.environment = dict(os.environ, LIMA_HOME=str(self.folder))
        (self.folder / "_config").mkdir()
        # `spare` waits for warm_startup_ms, and `plain` for memory_of_ipv6.
        (self.folder / "_config/networks.yaml").write_text(f"""networks:
  default: {{mode: slirp, options: {{prefix6: '{self.prefix6}/64'}}}}
  spare: {{mode: slirp}}
  plain: {{mode: slirp, options: {{ipv6: false}}}}
""")
        main = self.spawn_daemon(NETD, "serve", env=self.environment)
        self.attach()
        return main

    def add_forward(self):
        sh(NETD, "forward", "add", "default", "tcp", f"0.0.0.0:{FORWARDED}", f"{self.address}:{FORWARDED}", env=self.environment)

    def warm_startup_ms(self):
        """The median of 20 guests that come by the stream, each to a network that is at rest."""
        path = str(self.folder / "_networks/spare/spare_qemu.sock")
        times = []
        for _ in range(20):
            begun = time.monotonic()
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guest:
                guest.settimeout(10)
                guest.connect(path)
                ask_arp(guest, self.address, self.gateway)
                times.append((time.monotonic() - begun) * 1e3)
            sh(NETD, "network", "stop", "spare", env=self.environment)
        return statistics.median(times)

    def wait_for_ipv6(self):
        """The guest's own address, by the command or by SLAAC."""
        def has():
            list = self.inside("ip", "-6", "-o", "addr", "show", "dev", "tap0").stdout
            return self.prefix6 in list and "tentative" not in list
        wait_for(has, what="the guest's IPv6 address")

    def memory_of_ipv6(self):
        """What a network's process at rest has more than one without IPv6, MiB resident."""
        resident = {}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            for guest, network in ((one, "spare"), (other, "plain")):
                guest.settimeout(10)
                guest.connect(str(self.folder / f"_networks/{network}/{network}_qemu.sock"))
                ask_arp(guest, self.address, self.gateway)
            time.sleep(3)
            for network in ("spare", "plain"):
                report = json.loads(sh(NETD, "network", "inspect", network, "--json", env=self.environment).stdout)
                status = Path(f"/proc/{report['host']['pid']}/status").read_text()
                resident[network] = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        for network in resident:
            sh(NETD, "network", "stop", network, env=self.environment)
        return resident["spare"] - resident["plain"]

    def attach(self):
        wait_for(lambda: (self.folder / "_networks/lima-netd_attach.sock").exists(), what="lima-netd")
        self.spawn(NETD, "attach", "default", "--netns", f"/run/netns/{GUEST}", "--tap", "tap0", "--mtu", self.mtu,
                   env=self.environment)


class LimaNetdStream(LimaNetd):
    link = "QEMU stream"

    def attach(self):
        self.relay(self.folder / "_networks/default/default_qemu.sock")


def loopback_options(program):
    """Newer ones map the gateway to the host's loopback, and a name server, only when told to."""
    known = sh(program, "--help", check=False)
    if "map-host-loopback" in known.stdout + known.stderr:
        return ["--map-host-loopback", "10.0.2.2", "--dns-forward", "10.0.2.3", "--dns-host", DNS_SERVER]
    return ["--dns-forward", "10.0.2.3", "-D", DNS_SERVER]


class Pasta(Peer):
    name, link, address, gateway, dns = "pasta", "TAP", "10.0.2.15", "10.0.2.2", "10.0.2.3"

    @staticmethod
    def version():
        return sh("pasta", "--version").stdout.split("\n")[0]

    def start(self):
        return self.spawn("pasta", "-f", "-q", "--runas", "0", "--netns-only", "--netns", f"/run/netns/{GUEST}",
                          "--config-net", "-I", "tap0", "-m", self.mtu, "-4", "-a", self.address, "-n", "24",
                          "-g", self.gateway, *loopback_options("pasta"), "-t", FORWARDED, "-u", "none", "-T", "none", "-U", "none")


class Passt(Peer):
    name, link, address, gateway, dns = "passt", "QEMU stream", "10.0.2.15", "10.0.2.2", "10.0.2.3"

    @staticmethod
    def version():
        return sh("passt", "--version").stdout.split("\n")[0]

    def start(self):
        socket = self.folder / "passt.sock"
        os.chmod(self.folder, 0o777)
        self.relay(socket)
        # It becomes nobody by itself when it may.
        user = ["--runas", "0"] if USER is None else []
        return self.spawn_daemon("passt", "-f", "-q", "-s", socket, *user, "-m", self.mtu, "-4", "-a", self.address,
                          "-n", "24", "-g", self.gateway, *loopback_options("passt"), "-t", FORWARDED, "-u", "none")


class Slirp4netns(Peer):
    name, link, address, gateway, dns = "slirp4netns", "TAP", "10.0.2.100", "10.0.2.2", "10.0.2.3"

    @staticmethod
    def version():
        return sh("slirp4netns", "--version").stdout.split("\n")[0]

    def start(self):
        return self.spawn("slirp4netns", "--netns-type=path", "-c", "-m", self.mtu, "--api-socket", self.folder / "api",
                          f"/run/netns/{GUEST}", "tap0")

    def add_forward(self):
        order = {"proto": "tcp", "host_addr": "0.0.0.0", "host_port": FORWARDED, "guest_addr": self.address, "guest_port": FORWARDED}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as api:
            api.connect(str(self.folder / "api"))
            api.sendall(json.dumps({"execute": "add_hostfwd", "arguments": order}).encode())
            api.shutdown(socket.SHUT_WR)
            if b"error" in (answer := api.recv(4096)):
                raise RuntimeError(answer.decode())


PEERS = [LimaNetd, Pasta, Slirp4netns, LimaNetdStream, Passt]
