# SPDX-License-Identifier: Apache-2.0
"""What is measured: each cell runs one load against one peer and returns numbers by name."""
import json, subprocess
from peers import GUEST, HOST, NETLOAD, sh, wait_for

IPERF, LOAD = 5301, 7000
NAMES = 1000


class Cell:
    """`unit` and `better` ("more" or "less") are of the number under `title` alone."""

    def __init__(self, title, unit, better, run, mtus=(1500,), quick=True):
        self.title, self.unit, self.better, self.run, self.mtus, self.quick = title, unit, better, run, mtus, quick


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
        self.begin("dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--bind-dynamic",
                   "--user=root", "--cache-size=5000", "--local=/bench.test/", f"--pid-file={self.folder}/dnsmasq.pid")
        listening = lambda: sh("ip", "netns", "exec", HOST, "ss", "-Hltn").stdout
        wait_for(lambda: f":{IPERF} " in listening() and f":{LOAD + 4} " in listening(), what="a server")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
            process.wait()


def throughput(reverse, streams):
    def run(peer, seconds):
        before = peer.cpu_seconds()
        words = ["iperf3", "-c", peer.gateway, "-p", IPERF, "-t", seconds, "-P", streams, "-J", "-i", "0"]
        result = json.loads(peer.inside(*words, *(["-R"] if reverse else []), check=False).stdout)
        received = result["end"]["sum_received"]
        used = peer.cpu_seconds() - before
        return {"value": received["bits_per_second"] / 1e9, "cpu": used / max(received["bytes"] / 1e9, 1e-9)}
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


def startup(peer, _):
    return {"value": peer.startup_ms}


def memory(peer, _):
    return {"value": peer.resident_mib()}


def memory_of_connections(count):
    def run(peer, _):
        holding = subprocess.Popen(["ip", "netns", "exec", GUEST, NETLOAD, "hold", peer.gateway, str(LOAD), str(count)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened = json.loads(holding.stdout.readline())["open"]
        used = peer.resident_mib()
        holding.communicate("\n")
        return {"value": used, "open": opened}
    return run


BOTH = (1500, 65520)
CELLS = [
    # First: they tell of a peer that has done nothing yet.
    Cell("start to first ARP answer", "ms", "less", startup),
    Cell("memory idle", "MiB", "less", memory),
    Cell("TCP out, 1 stream", "Gbit/s", "more", throughput(False, 1), BOTH),
    Cell("TCP in, 1 stream", "Gbit/s", "more", throughput(True, 1), BOTH),
    Cell("TCP out, 4 streams", "Gbit/s", "more", throughput(False, 4), BOTH, quick=False),
    Cell("TCP in, 4 streams", "Gbit/s", "more", throughput(True, 4), BOTH, quick=False),
    Cell("round trip, median", "µs", "less", round_trip("p50_us")),
    Cell("round trip, 99 %", "µs", "less", round_trip("p99_us"), quick=False),
    Cell("connections, 1 thread", "1000/s", "more", load("rate", 1e-3, "crr", "SECONDS", 1), quick=False),
    Cell("connections, 16 threads", "1000/s", "more", load("rate", 1e-3, "crr", "SECONDS", 16)),
    Cell("UDP out, 64 B", "kpps", "more", load("pps", 1e-3, "udp-out", "SECONDS", 64, 0)),
    Cell("UDP in, 64 B", "kpps", "more", load("pps", 1e-3, "udp-in", "SECONDS", 64, 0)),
    Cell("UDP out, 1400 B", "kpps", "more", load("pps", 1e-3, "udp-out", "SECONDS", 1400, 0), quick=False),
    Cell("UDP in, 1400 B", "kpps", "more", load("pps", 1e-3, "udp-in", "SECONDS", 1400, 0), quick=False),
    Cell("UDP out at 20 kpps, lost", "%", "less", plain(load("loss", 100, "udp-out", "SECONDS", 1400, 20000)), quick=False),
    Cell("UDP in at 20 kpps, lost", "%", "less", plain(load("loss", 100, "udp-in", "SECONDS", 1400, 20000)), quick=False),
    Cell("DNS", "1000/s", "more", dns),
    Cell("memory, 1000 connections", "MiB", "less", memory_of_connections(1000), quick=False),
]
