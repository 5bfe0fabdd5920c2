# SPDX-License-Identifier: Apache-2.0
"""What is measured: each cell runs one load against one peer and returns numbers by name."""
import json, statistics, subprocess, time
from peers import DNS_SERVER, FORWARDED, GUEST, HOST, NETLOAD, sh, wait_for

IPERF, LOAD, WEB = 5301, 7000, 8088
NAMES = 1000


class Cell:
    """`unit` and `better` ("more" or "less") are of the number under `title` alone. `six`: of peers with IPv6 only."""

    def __init__(self, title, unit, better, run, mtus=(1500,), quick=True, six=False):
        self.title, self.unit, self.better, self.run, self.mtus, self.quick = title, unit, better, run, mtus, quick
        self.six = six


class Servers:
    """The host's side of every load; one set for each peer."""

    def __init__(self, folder):
        self.folder, self.processes = folder, []

    def begin(self, *words):
        process = subprocess.Popen(["ip", "netns", "exec", HOST, *map(str, words)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)

    def __enter__(self):
        self.begin("iperf3", "-s", "-p", IPERF)
        self.begin(NETLOAD, "serve", LOAD)
        hosts = self.folder / "hosts"
        hosts.write_text("".join(f"10.77.{n >> 8}.{n & 255} h{n}.bench.test\n" for n in range(1, NAMES)))
        (self.folder / "questions").write_text("".join(f"h{n}.bench.test A\n" for n in range(1, NAMES)))
        self.begin("python3", "-m", "http.server", "--directory", self.folder, WEB)
        # A name with both families, of which the host has one alone.
        self.begin("dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--bind-dynamic",
                   f"--host-record=dual.bench.test,{DNS_SERVER},2001:db8::1",
                   "--user=root", "--cache-size=5000", "--local=/bench.test/", f"--pid-file={self.folder}/dnsmasq.pid")
        listening = lambda: sh("ip", "netns", "exec", HOST, "ss", "-Hltn").stdout
        wait_for(lambda: all(f":{port} " in listening() for port in (IPERF, LOAD + 4, WEB)), what="a server")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()


def iperf(peer, namespace, seconds, target, port, *words):
    before = peer.cpu_seconds()
    # Cubic, as guests have it: where a machine's default is BBR, its pacing would be measured.
    words = ["iperf3", "-c", target, "-p", port, "-t", seconds, "-J", "-i", "0", "-C", "cubic", *words]
    result = json.loads(sh("ip", "netns", "exec", namespace, *words, check=False).stdout)
    received = result["end"]["sum_received"]
    used = peer.cpu_seconds() - before
    return {"value": received["bits_per_second"] / 1e9, "cpu": used / max(received["bytes"] / 1e9, 1e-9)}


def throughput(reverse, streams):
    return lambda peer, seconds: iperf(
        peer, GUEST, seconds, peer.gateway, IPERF, "-P", streams, *(["-R"] if reverse else []))


def throughput6(reverse):
    """By the gateway's IPv6 address, to the same server."""
    def run(peer, seconds):
        peer.wait_for_ipv6()
        return iperf(peer, GUEST, seconds, peer.gateway6, IPERF, "-6", *(["-R"] if reverse else []))
    return run


def dual_stack(peer, _):
    """How much longer a connection to a name of both families takes where the host has IPv4 alone than one to IPv4."""
    peer.wait_for_ipv6()
    times = {"-4": [], "-sS": []}
    for _ in range(25):
        for word, list in times.items():
            text = peer.inside("curl", "-sS", word, "-m", 10, "-o", "/dev/null", "-w", "%{time_connect}",
                               f"http://dual.bench.test:{WEB}/questions").stdout
            list.append(float(text))
    return {"value": statistics.median(times["-sS"]) / statistics.median(times["-4"])}


def forwarded(reverse):
    """A client of the host, not by its loopback, for pasta leads that past the guest's link."""
    def run(peer, seconds):
        peer.forward()
        return iperf(peer, HOST, seconds, DNS_SERVER, FORWARDED, *(["-R"] if reverse else []))
    return run


def load(key, scale, *words):
    def run(peer, seconds):
        filled = [seconds if word == "SECONDS" else word for word in words]
        before = peer.cpu_seconds()
        answer = json.loads(peer.inside(NETLOAD, filled[0], peer.gateway, LOAD, *filled[1:]).stdout)
        used = peer.cpu_seconds() - before
        # Of a rate: what each costs the daemon, microseconds.
        return {"value": answer[key] * scale, "cpu": used * 1e6 / max(answer[key] * seconds, 1)}
    return run


def plain(run):
    """Without the daemon's CPU time, where it says nothing."""
    return lambda peer, seconds: {"value": run(peer, seconds)["value"]}


def round_trip(key):
    return plain(load(key, 1, "rr", "SECONDS"))


def dns(peer, seconds):
    text = peer.inside("dnsperf", "-s", peer.dns, "-d", peer.folder / "questions", "-l", seconds, "-c", 4, "-Q", 200000).stdout
    return {"value": float(text.split("Queries per second:")[1].split()[0]) / 1e3}


def echo(key):
    def run(peer, seconds):
        answer = peer.inside(NETLOAD, "ping", peer.gateway, seconds, check=False).stdout
        if not answer:
            raise RuntimeError("the gateway does not answer")
        return {"value": json.loads(answer)[key]}
    return run


def startup(peer, _):
    return {"value": peer.startup_ms}


def warm_startup(peer, _):
    return {"value": peer.warm_startup_ms()}


def at_rest(measure):
    """Two seconds after all else, as a daemon is most of its time."""
    def run(peer, _):
        time.sleep(2)
        return {"value": measure(peer)}
    return run


class Guest:
    """netload in the guest, which prints a line when it is ready and goes on when told to."""

    def __init__(self, *words):
        self.process = subprocess.Popen(["ip", "netns", "exec", GUEST, NETLOAD, *map(str, words)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.first = self.process.stdout.readline().strip()
        if not self.first:
            self.process.wait()
            raise RuntimeError(f"{words[0]} failed")

    def rest(self):
        rest, _ = self.process.communicate("\n", timeout=60)
        if self.process.returncode:
            raise RuntimeError("netload failed")
        return json.loads(rest)


def memory_of_connections(count):
    """Only if all of them are there, and of use after it."""
    def run(peer, _):
        holding = Guest("hold", peer.gateway, LOAD, count)
        opened = json.loads(holding.first)["open"]
        time.sleep(2)
        used = peer.resident_mib()
        alive = holding.rest()["alive"]
        if min(opened, alive) < count:
            raise RuntimeError(f"{opened} of {count} connections could be opened, {alive} were alive after it")
        return {"value": used}
    return run


def cost_of_turns(count):
    """CPU time of the daemon for a round trip over one of so many connections, microseconds."""
    def run(peer, seconds):
        load = Guest("turns", peer.gateway, LOAD, seconds, count)
        before = peer.cpu_seconds()
        done = load.rest()["done"]
        return {"value": (peer.cpu_seconds() - before) * 1e6 / max(done, 1)}
    return run


BOTH = (1500, 65520)
CELLS = [
    # First: they tell of a peer that has done nothing yet.
    Cell("start to first ARP answer", "ms", "less", startup),
    Cell("the same, the daemon running", "ms", "less", warm_startup),
    Cell("memory idle", "MiB", "less", at_rest(lambda peer: peer.resident_mib())),
    Cell("memory idle, proportional share", "MiB", "less", at_rest(lambda peer: peer.proportional_mib()), quick=False),
    Cell("TCP out, 1 stream", "Gbit/s", "more", throughput(False, 1), BOTH),
    Cell("TCP in, 1 stream", "Gbit/s", "more", throughput(True, 1), BOTH),
    Cell("TCP out by IPv6, 1 stream", "Gbit/s", "more", throughput6(False), BOTH, six=True),
    Cell("TCP in by IPv6, 1 stream", "Gbit/s", "more", throughput6(True), BOTH, six=True),
    Cell("TCP out, 4 streams", "Gbit/s", "more", throughput(False, 4), BOTH, quick=False),
    Cell("TCP in, 4 streams", "Gbit/s", "more", throughput(True, 4), BOTH, quick=False),
    Cell("TCP in by a forward", "Gbit/s", "more", forwarded(False), BOTH),
    Cell("TCP out by a forward", "Gbit/s", "more", forwarded(True), BOTH, quick=False),
    Cell("round trip, median", "µs", "less", round_trip("p50_us")),
    Cell("round trip, 99 %", "µs", "less", round_trip("p99_us"), quick=False),
    Cell("ping of the gateway, median", "µs", "less", echo("p50_us")),
    Cell("connections, 1 thread", "1000/s", "more", load("rate", 1e-3, "crr", "SECONDS", 1), quick=False),
    Cell("connections, 16 threads", "1000/s", "more", load("rate", 1e-3, "crr", "SECONDS", 16)),
    Cell("UDP out, 64 B", "kpps", "more", load("pps", 1e-3, "udp-out", "SECONDS", 64, 0)),
    Cell("UDP in, 64 B", "kpps", "more", load("pps", 1e-3, "udp-in", "SECONDS", 64, 0)),
    Cell("UDP out, 1400 B", "kpps", "more", load("pps", 1e-3, "udp-out", "SECONDS", 1400, 0), quick=False),
    Cell("UDP in, 1400 B", "kpps", "more", load("pps", 1e-3, "udp-in", "SECONDS", 1400, 0), quick=False),
    Cell("UDP out at 20 kpps, lost", "%", "less", plain(load("loss", 100, "udp-out", "SECONDS", 1400, 20000)), quick=False),
    Cell("UDP in at 20 kpps, lost", "%", "less", plain(load("loss", 100, "udp-in", "SECONDS", 1400, 20000)), quick=False),
    Cell("DNS", "1000/s", "more", dns),
    Cell("connect by a dual-stack name, to -4", "x", "less", dual_stack, quick=False, six=True),
    Cell("memory idle that IPv6 takes", "MiB", "less", at_rest(lambda peer: peer.memory_of_ipv6()), quick=False, six=True),
    Cell("CPU of a round trip, 10 connections", "µs", "less", cost_of_turns(10), quick=False),
    Cell("CPU of a round trip, 10000 of them", "µs", "less", cost_of_turns(10000), quick=False),
    Cell("memory, 1000 connections", "MiB", "less", memory_of_connections(1000), quick=False),
    Cell("memory, 10000 connections", "MiB", "less", memory_of_connections(10000), quick=False),
]
