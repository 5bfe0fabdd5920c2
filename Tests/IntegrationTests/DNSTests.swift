// SPDX-License-Identifier: Apache-2.0
//
// A guest's DNS from end to end: the real dig in a guest on slirp, and a nameserver on the host's
// loopback that lies, cuts, keeps silent or tells the truth (Fixtures/nameserver.py).

import Foundation
import Testing

/// What dig is called with and what it must say.
private struct DigCase {
  let section: String
  let arguments: String
  /// Each has to be in the output.
  let expected: [String]
  /// None of these may be.
  let unwanted: [String]

  init(_ section: String, _ arguments: String, _ expected: [String], not unwanted: [String] = []) {
    self.section = section
    self.arguments = arguments
    self.expected = expected
    self.unwanted = unwanted
  }
}

private let noError = "status: NOERROR"

private let cases: [DigCase] = [
  DigCase("RFC 1035 4.1", "a.test", [noError, "qr rd ra", "300\tIN\tA\t192.0.2.1"]),
  DigCase(
    "RFC 1034 3.6.2: the CNAME record is in the answer", "alias.test",
    [
      noError, "CNAME\ta.test.", "A\t192.0.2.1", "ANSWER: 2",
    ]),
  DigCase(
    "RFC 4343 4.1: the letters of the question come back", "A.tEsT +nocmd +qr",
    [
      "\nA.tEsT.\t\t\t", "192.0.2.1",
    ]),
  DigCase("RFC 1035 4.1.1: RD is copied", "+norec a.test", ["flags: qr ra;", noError]),
  DigCase("RFC 1035 4.1.1: NXDOMAIN", "no-such.test", ["status: NXDOMAIN", "SOA"]),
  DigCase("RFC 2308 2.2: NODATA", "nodata.test", [noError, "ANSWER: 0", "AUTHORITY: 1"]),
  DigCase("RFC 2308 5: the SOA is told with its MINIMUM", "no-such.test", ["60\tIN\tSOA"]),
  DigCase("RFC 1035 4.1.1: SERVFAIL", "fail.test", ["status: SERVFAIL"]),
  DigCase("RFC 1035 4.2.2: TCP", "+tcp a.test", ["192.0.2.1", "(TCP)"]),
  DigCase(
    "RFC 6891 6.1.1: OPT to those who sent one", "a.test", ["EDNS: version: 0", "udp: 1232"]),
  DigCase("RFC 6891 7: and to nobody else", "+noedns a.test", ["192.0.2.1"], not: ["EDNS:"]),
  DigCase("RFC 6891 6.1.3: BADVERS", "+edns=1 +noednsneg a.test", ["status: BADVERS"]),
  DigCase("RFC 6891 6.1.4: DO is copied", "+dnssec a.test", ["flags: do"]),
  DigCase(
    "RFC 6891 6.2.3, 2181 9: a small buffer gets TC", "+bufsize=512 +ignore cut.test TXT",
    [
      noError
    ]),
  DigCase(
    "RFC 1035 4.2.1, 2181 9: TC without EDNS", "+noedns +ignore huge.test TXT",
    [
      "flags: qr tc", "ANSWER: 0",
    ]),
  DigCase("RFC 7766 5: TCP after TC", "huge.test TXT", ["(TCP)", "ANSWER: 1", "rcvd: 64"]),
  DigCase("RFC 1035 4.2.2: 64 KiB over TCP", "+tcp huge.test TXT", ["ANSWER: 1", "rcvd: 64"]),
  DigCase("RFC 1035 3.2.2: TXT", "txt.types.test TXT", ["TXT\t\"hello\""]),
  DigCase("RFC 1035 3.3.11: NS", "ns.types.test NS", ["NS\tns.test."]),
  DigCase("RFC 1035 3.3.9: MX", "mx.types.test MX", ["MX\t7 mail.test."]),
  DigCase("RFC 1035 3.3.13: SOA", "soa.types.test SOA", ["SOA\t. . 1 2 3 4 5"]),
  DigCase("RFC 1035 3.3.12: PTR", "ptr.types.test PTR", ["PTR\ta.test."]),
  DigCase("RFC 1035 3.3.1: CNAME", "cname.types.test CNAME", ["CNAME\ta.test."]),
  DigCase("RFC 2782: SRV", "srv.types.test SRV", ["SRV\t1 2 443 a.test."]),
  DigCase("RFC 3596: AAAA", "aaaa.types.test AAAA", ["AAAA\t2001:db8::1"]),
  DigCase("RFC 8659: CAA", "caa.types.test CAA", ["CAA\t0 issue \"ca.test\""]),
  DigCase("RFC 9460: HTTPS", "https.types.test HTTPS", ["HTTPS\t1 . alpn=\"h2\""]),
  DigCase("RFC 9460: SVCB", "svcb.types.test SVCB", ["SVCB\t1 . alpn=\"h3\""]),
  DigCase(
    "RFC 3403: NAPTR, which nobody here knows", "naptr.types.test NAPTR", ["NAPTR\t1 2 \"u\""]),
  DigCase("RFC 3597 5: unknown types", "unknown.types.test TYPE65280", ["\\# 3 010203"]),
  DigCase("RFC 1035 3.2.4: another class", "version.bind CH TXT", [noError, "CH\tTXT\t\"class\""]),
  DigCase(
    "RFC 1035 4.1.1: NOTIMP for another opcode", "+opcode=STATUS a.test",
    [
      "opcode: STATUS, status: NOTIMP"
    ]),
  DigCase(
    "RFC 1035 4.1.1: NOTIMP for UPDATE (RFC 2136)", "+opcode=UPDATE a.test",
    [
      "opcode: UPDATE, status: NOTIMP"
    ]),
  DigCase("RFC 5936 2.2.1: REFUSED for a transfer", "a.test AXFR +tcp", ["; Transfer failed."]),
  DigCase("RFC 6891 6.1.1: OPT is nothing to ask for", "a.test TYPE41", ["status: FORMERR"]),
  DigCase("RFC 5452 9.1: another id is not the answer", "id.test", ["192.0.2.1"], not: ["6.6.6.6"]),
  DigCase(
    "RFC 5452 9.1: another question is not the answer", "question.test", ["192.0.2.1"],
    not: [
      "6.6.6.6"
    ]),
  DigCase("names of the network", "host.lima.internal", ["aa", "A\t192.168.5.2"]),
  DigCase(
    "names of the network in reverse (RFC 1035 3.5)", "-x 192.168.5.2",
    [
      "PTR\thost.lima.internal."
    ]),
  DigCase(
    "RFC 2308 2.2: other types of an owned name", "host.lima.internal MX",
    [
      noError, "ANSWER: 0",
    ]),
]

extension EndToEnd {
  @Suite struct DNSTests {
    private final class Nameserver {
      let port: Int
      private let command: RunningCommand

      init() throws {
        let command = try RunningCommand("python3", [Installation.fixtures + "/nameserver.py"])
        self.command = command
        var port: Int?
        _ = eventually {
          let line = command.output.split(separator: "\n").first.map { Data($0.utf8) } ?? Data()
          port = (try? JSONSerialization.jsonObject(with: line) as? [String: Int])?["port"]
          return port != nil
        }
        guard let port else { throw TestFailure("no nameserver: \(command.errors)") }
        self.port = port
      }

      func stop() { command.stop() }
      deinit { stop() }
    }

    private func daemon(_ servers: String, timeout: Int = 3) throws -> TestDaemon {
      try TestDaemon(
        configuration: """
          networks:
            lab:
              mode: slirp
              dns:
                plugin: hostdns
                options: {servers: [\(servers)], timeout: \(timeout), attempts: 1}

          """)
    }

    @Test func digGetsWhatTheRFCsSay() throws {
      try require(.tap, .program("dig"), .program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      let daemon = try daemon("\"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      // Twice: as the nameserver says it, and as it is kept.
      let script = cases.flatMap { [$0, $0] }
        .map { "echo '=== '; dig @192.168.5.3 +tries=1 +time=6 \($0.arguments)" }
        .joined(separator: "\n")
      let result = try daemon.guest(script, on: "lab", seconds: 180)
      let outputs = result.output.components(separatedBy: "=== \n").dropFirst()
      #expect(outputs.count == 2 * cases.count)
      for (output, test) in zip(outputs, cases.flatMap { [$0, $0] }) {
        for text in test.expected {
          #expect(output.contains(text), "\(test.section): `\(text)` is not in: \(output)")
        }
        for text in test.unwanted {
          #expect(!output.contains(text), "\(test.section): `\(text)` is in: \(output)")
        }
      }
    }

    @Test func theCommandTellsWhatAGuestWouldBeTold() throws {
      try require(.program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      let daemon = try daemon("\"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      for (words, status, output) in [
        (["a.test"], 0, "a.test.\t300\tIN\tA\t192.0.2.1\n;; flags qr rd ra; EDNS 1232; "),
        (["a.test", "+short"], 0, "192.0.2.1\n"),
        (["no-such.test"], 3, "no-such.test does not exist\n;; AUTHORITY\n"),
        (["nodata.test"], 0, "nodata.test has no record of type A\n;; AUTHORITY\n"),
        (["fail.test"], 2, "fail.test could not be resolved: SERVFAIL\n"),
        (["no-such.test", "--short"], 3, ""),
        (["version.bind", "TXT", "--class", "CH", "--short"], 0, "\"class\"\n"),
        (["huge.test", "TXT", "--udp"], 0, "huge.test: none of the answer fits\n;; cut: "),
        (["huge.test", "TXT"], 0, "\n;; cut over UDP, asked again over TCP\n"),
        (["a.test", "A", "AAAA", "--json"], 0, "[\n"),
      ] as [([String], Int32, String)] {
        let result = try run(
          Installation.daemon, ["dns", "query", "--network", "lab"] + words,
          environment: daemon.environment)
        #expect(result.status == status, "\(result)")
        #expect(
          output.isEmpty ? result.output.isEmpty : result.output.contains(output), "\(result)")
        #expect(result.errors.isEmpty, "\(result)")
      }
      let kept = try daemon.netd("dns", "cache", "ls", "A.test")
      #expect(kept.output.contains("a.test") && !kept.output.contains("nodata"), "\(kept)")
      let flushed = try daemon.netd("dns", "cache", "flush", "nodata.test", "--json")
      #expect(flushed.output.contains(#""forgotten": 1"#), "\(flushed)")
      let after = try daemon.netd("dns", "cache", "ls", "test", "--below")
      #expect(after.output.contains("a.test") && !after.output.contains("nodata"), "\(after)")
    }

    @Test func aKeptAnswersTimeGoesDownAndEnds() throws {
      try require(.tap, .program("dig"), .program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      let daemon = try daemon("\"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        dig @192.168.5.3 +noall +answer a.test; sleep 2.1
        dig @192.168.5.3 +noall +answer a.test ttl1.test; sleep 1.1
        dig @192.168.5.3 +noall +answer ttl1.test
        """, on: "lab")
      let times = result.output.split(separator: "\n").map { line in
        line.split(separator: "\t", omittingEmptySubsequences: true).dropFirst().first ?? ""
      }
      #expect(times.count == 4, "\(result)")
      // Two seconds have passed, or a little more on a busy machine.
      let kept = times.dropFirst().first.flatMap { Int($0) } ?? 0
      #expect(times.first == "300" && (290...298).contains(kept), "\(result)")
      #expect(times.suffix(2) == ["1", "1"], "\(result)")
    }

    @Test func aSlowNameDelaysNoOtherAndADeadOneEndsInServfail() throws {
      try require(.tap, .program("dig"), .program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      let daemon = try daemon("\"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        for i in $(seq 40); do dig @192.168.5.3 +short +tries=1 +time=6 s$i.slow.test >/dev/null & done
        dig @192.168.5.3 +tries=1 +time=8 slow.test > /tmp/slow.$$ &
        for i in $(seq 20); do dig @192.168.5.3 +tries=1 +time=2 q$i.test; done | grep -E 'IN.A.192|time:'
        dig @192.168.5.3 +tries=1 +time=8 dead.test liar.test | grep status
        wait; cat /tmp/slow.$$; rm /tmp/slow.$$
        """, on: "lab", seconds: 60)
      let lines = result.output.split(separator: "\n")
      let times = lines.filter { $0.hasPrefix(";; Query time: ") }
        .compactMap { Int($0.split(separator: " ")[3]) }
      #expect(lines.count { $0.hasSuffix("IN\tA\t192.0.2.1") } >= 20, "\(result)")
      // The last is the slow one's.
      #expect(times.count == 21 && times.dropLast().allSatisfy { $0 < 2000 }, "\(result)")
      #expect(lines.count { $0.contains("status: SERVFAIL") } == 2, "\(result)")
      #expect(result.output.contains("300\tIN\tA\t192.0.2.1"), "\(result)")
    }

    @Test func theNextServerAnswersWhenTheFirstIsDeadOrFails() throws {
      try require(.tap, .program("dig"), .program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      // Nothing listens on port 1 of loopback; the second refuses by ICMP, the third answers.
      let daemon = try daemon(
        "\"127.0.0.1:1\", \"[::1]:1\", \"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      let result = try daemon.guest(
        "dig @192.168.5.3 +tries=1 +time=6 a.test; dig @192.168.5.3 +tries=1 +time=6 fail.test",
        on: "lab")
      #expect(result.output.contains("192.0.2.1"), "\(result)")
      #expect(result.output.contains("status: SERVFAIL"), "\(result)")
    }

    @Test func questionsFollowEachOtherOnOneConnectionAndIdleOnesEnd() throws {
      try require(.tap, .program("python3"))
      let server = try Nameserver()
      defer { server.stop() }
      let daemon = try daemon("\"127.0.0.1:\(server.port)\"")
      defer { daemon.stop() }
      let result = try daemon.guest(
        """
        python3 - <<'END'
        import socket, struct, time
        def query(id, name):
            labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
            m = struct.pack(">6H", id, 0x100, 1, 0, 0, 0) + labels + b"\\0\\0\\1\\0\\1"
            return struct.pack(">H", len(m)) + m
        s = socket.create_connection(("192.168.5.3", 53))
        s.settimeout(10)
        # A slow one first: those behind it are not held up (RFC 7766 6.2.1.1, 7).
        s.sendall(query(1, "slow.test") + b"".join(query(i, f"p{i}.test") for i in range(2, 21)))
        ids = []
        for _ in range(20):
            n, = struct.unpack(">H", s.recv(2, socket.MSG_WAITALL))
            ids.append(struct.unpack(">H", s.recv(n, socket.MSG_WAITALL)[:2])[0])
        print("order", sorted(ids) == list(range(1, 21)), ids[-1] == 1)
        # A message in pieces.
        m = query(99, "pieces.test")
        for b in m:
            s.sendall(bytes([b])); time.sleep(0.002)
        print("pieces", len(s.recv(2, socket.MSG_WAITALL)) == 2)
        # A guest that has as many connections as it may gets another; its idlest ends for it (RFC 7766 6.2.3).
        many = []
        refused = 0
        for _ in range(40):
            c = socket.socket(); c.settimeout(3)
            try:
                c.connect(("192.168.5.3", 53)); c.sendall(query(5, "a.test"))
                if c.recv(2): many.append(c)
                else: refused += 1
            except OSError:
                refused += 1
        print("all", len(many) == 40, refused == 0)
        def end(c, seconds):
            c.settimeout(seconds)
            c.recv(65535)
            return c.recv(1) == b""
        print("room", end(many[0], 10))
        # An idle connection ends by itself.
        start = time.time()
        print("idle", end(many[-1], 40), 20 < time.time() - start < 38)
        END
        """, on: "lab", seconds: 90)
      for line in [
        "order True True", "pieces True", "all True True", "room True", "idle True True",
      ] {
        #expect(result.output.contains(line), "\(result)")
      }
    }
  }
}
