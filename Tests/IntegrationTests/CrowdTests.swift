// SPDX-License-Identifier: Apache-2.0
//
// Many guests of one network, and many forwards.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct CrowdTests {
    private struct Report: Decodable {
      var joins, leases, changed, shared, sent, received, wrong, pings, pongs, closed: Int
      var unanswered: Int
      var addresses: [String: String]
    }

    private func crowd(_ daemon: TestDaemon, _ count: Int, seconds: Int, seed: Int) throws
      -> Report
    {
      let result = try run(
        "python3",
        [
          "\(Installation.fixtures)/crowd.py", daemon.socket("qemu", of: "user-v2"), "\(count)",
          "\(seconds)", "\(seed)",
        ], seconds: Double(seconds) + 60)
      #expect(result.succeeded, "\(result)")
      return try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
    }

    /// Descriptors and resident memory (KiB) of a process.
    private func size(_ process: Int) throws -> (descriptors: Int, memory: Int) {
      let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")
      return (descriptors.count, residentKiB(of: Int32(process)))
    }

    /// LIMA_NETD_CROWD_SECONDS makes it longer than half a minute.
    @Test func twoHundredGuestsComeAndGo() throws {
      try require(.program("python3"))
      let seconds =
        ProcessInfo.processInfo.environment["LIMA_NETD_CROWD_SECONDS"].flatMap { Int($0) } ?? 30
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      try daemon.netd("network", "start", "user-v2")
      let warm = try crowd(daemon, 200, seconds: 8, seed: 1)
      #expect(warm.leases >= 200)
      let process = try #require(try daemon.hostProcess(of: "user-v2"))
      #expect(
        try eventually {
          (try daemon.network("user-v2")["guests"] as? [Any])?.isEmpty == true
        })
      let before = try size(process)
      let report = try crowd(daemon, 200, seconds: seconds, seed: 2)
      #expect(try daemon.hostProcess(of: "user-v2") == process, "\(daemon.log(of: "user-v2"))")
      #expect(
        try eventually {
          (try daemon.network("user-v2")["guests"] as? [Any])?.isEmpty == true
        })
      let after = try size(process)
      #expect(report.joins > 200 && report.leases >= 200)
      #expect(report.changed == 0 && report.shared == 0, "\(report)")
      #expect(report.wrong == 0, "\(report)")
      #expect(report.closed == 0 && report.unanswered == 0, "\(report)")
      // While nobody leaves, what is sent arrives.
      #expect(report.received * 10 >= report.sent * 8 && report.sent > 1000, "\(report)")
      #expect(report.pongs * 10 >= report.pings * 8 && report.pings > 20, "\(report)")
      // No lease is lost, and who had an address in the first crowd has it in the second.
      #expect(report.addresses == warm.addresses)
      #expect(Set(report.addresses.values).count == 200)
      let leases = try daemon.netd("leases").output
      for address in report.addresses.values { #expect(leases.contains(address)) }
      #expect(after.descriptors <= before.descriptors + 2, "\(before) \(after)")
      #expect(after.memory <= before.memory + 8192, "\(before) \(after)")
    }

    /// A request to the control API, by its socket.
    private static let client = """
      import http.client, json, socket, sys
      class Connection(http.client.HTTPConnection):
          def connect(self):
              self.sock = socket.socket(socket.AF_UNIX)
              self.sock.connect(sys.argv[1])
      connection = Connection("lima-netd")
      def ask(method, forward):
          connection.request(method, "/v1/networks/user-v2/forwards", json.dumps(forward), {"Content-Type": "application/json"})
          answer = connection.getresponse()
          return answer.status, answer.read().decode()
      """

    @Test func aThousandForwardsAreAddedAndRemoved() throws {
      try require(.program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      try daemon.netd("network", "start", "user-v2")
      let script =
        Self.client + """

          def forward(port): return {"protocol": "tcp", "host": f"127.0.0.1:{port}", "guest": "192.168.104.9:80"}
          taken = socket.socket(); taken.bind(("127.0.0.1", 0)); taken.listen()
          wanted, port = [], 20000
          while len(wanted) < 1000:
              port += 1
              status, text = ask("POST", forward(port))
              if status < 300: wanted.append(port)
              elif f"127.0.0.1:{port}" not in text: print("unnamed failure:", text)
              if port > 24000: break
          print("added", len(wanted))
          print("again", *ask("POST", forward(wanted[0])))
          print("taken", taken.getsockname()[1], *ask("POST", forward(taken.getsockname()[1])))
          print("outside", *ask("POST", {"protocol": "tcp", "host": "127.0.0.1:0", "guest": "10.0.0.1:80"}))
          print("removed", sum(ask("DELETE", forward(p))[0] < 300 for p in wanted))
          """
      let result = try run(
        "python3", ["-c", script, daemon.home + "/_networks/lima-netd.sock"], seconds: 120)
      let lines = result.output.split(separator: "\n").map(String.init)
      #expect(lines.contains("added 1000"), "\(result)")
      #expect(lines.contains("removed 1000"), "\(result)")
      #expect(!result.output.contains("unnamed failure"), "\(result)")
      let again = lines.first { $0.hasPrefix("again") } ?? ""
      #expect(again.contains("127.0.0.1:2") && again.contains("already"), "\(again)")
      let taken = lines.first { $0.hasPrefix("taken") } ?? ""
      let port = taken.split(separator: " ").dropFirst().first ?? "?"
      #expect(taken.contains("127.0.0.1:\(port)") && taken.contains("in use"), "\(taken)")
      let outside = lines.first { $0.hasPrefix("outside") } ?? ""
      #expect(outside.contains("10.0.0.1 is not the address of a guest"), "\(outside)")
      let listed = try daemon.netd("forward", "ls", "user-v2")
      #expect(!listed.output.contains("127.0.0.1:2"), "\(listed)")
    }

    @Test func aGuestForWhichThereIsNoDescriptorIsToldOf() throws {
      try require(.program("python3"))
      let daemon = try TestDaemon(wrapper: ["sh", "-c", "ulimit -n 400; exec \"$@\"", "sh"])
      defer { daemon.stop() }
      try daemon.netd("network", "start", "user-v2")
      let crowd = """
        import socket, time
        held = []
        for _ in range(90):
            s = socket.socket(socket.AF_UNIX); s.connect("\(daemon.socket("qemu", of: "user-v2"))"); held.append(s)
            time.sleep(0.01)
        print("here", flush=True); time.sleep(60)
        """
      let guests = try RunningCommand("python3", ["-c", crowd])
      defer { guests.stop() }
      let isTold = try eventually {
        let status = try daemon.netd("status", "--json").output
        return status.contains("a guest was sent away") && status.contains("400 open files")
      }
      #expect(isTold, "\(guests.output)\(guests.errors)\(daemon.log.suffix(1000))")
      #expect(try daemon.netd("status").output.contains("NOTE user-v2"))
      // Those that it has are served.
      #expect((try daemon.network("user-v2")["guests"] as? [Any])?.isEmpty == false)
    }
  }
}
