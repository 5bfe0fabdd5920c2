// SPDX-License-Identifier: Apache-2.0
//
// Guests of `exec`, `attach` and `tap` while their daemon is killed and restarted, and their network stopped and started: one
// scene, since all three come back in the same way.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct GuestReturnTests {
    /// Says "x there" for each answer of the gateway, without end.
    private static let pinging =
      "while :; do ping -c 1 -W 1 192.168.5.2 >/dev/null && echo there; sleep 0.1; done"

    private func guests(_ daemon: TestDaemon) throws -> Set<String> {
      let guests = try daemon.network("default")["guests"] as? [[String: Any]] ?? []
      return Set(guests.compactMap { $0["name"] as? String })
    }

    @Test func `all come back after a restart of the daemon, and of their network`() throws {
      try require(.tap)
      let container = try Namespace()
      let daemon = try TestDaemon()
      defer { container.remove(); daemon.stop() }
      let port = try freePort()
      let exec = try daemon.begin(
        "exec", "default", "--name", "exec", "-p", "\(port):80", "--", "sh", "-c", Self.pinging)
      let tap = try daemon.begin("tap", "default", "--name", "tap", "--", "sleep", "120")
      let attach = try daemon.begin(
        "attach", "default", "--netns", "\(container.processIdentifier)", "--name", "attach")
      defer { for command in [exec, tap, attach] { command.stop() } }
      let all: Set<String> = ["exec", "tap", "attach"]
      func areBack(_ what: String) throws {
        #expect(
          try eventually { try guests(daemon) == all }, "\(what): \(exec.errors)\(daemon.log)")
        let before = exec.output.count
        #expect(eventually { exec.output.count > before }, "\(what): \(exec.errors)")
        #expect(
          try eventually { try container.shell("ping -c 1 -W 1 192.168.5.2").succeeded },
          "\(what): \(attach.errors)")
        #expect(
          try container.shell("ip -4 -o addr show dev tap0").output.contains("192.168.5.15/24"))
        #expect(
          try eventually {
            try daemon.netd("forward", "ls").output.contains("127.0.0.1:\(port)")
          }, "\(what)")
      }
      try areBack("at first")

      kill(daemon.processIdentifier, SIGKILL)
      daemon.command?.process.waitUntilExit()
      try daemon.start()
      try areBack("after kill -9")
      #expect(exec.errors.contains("the daemon has ended; this guest is back"), "\(exec.errors)")

      daemon.command?.stop()
      // A namespace keeps its interface meanwhile.
      #expect(try container.shell("ip link show tap0").succeeded)
      try daemon.start()
      try areBack("after a restart")

      try daemon.netd("network", "stop", "default")
      #expect(eventually { exec.errors.contains("network default was stopped") }, "\(exec.errors)")
      #expect(exec.errors.contains("lima-netd network start default"))
      // Three looks of theirs do not start it.
      Thread.sleep(forTimeInterval: 3.2)
      #expect(try daemon.network("default")["state"] as? String == "stopped")
      try daemon.netd("network", "start", "default")
      try areBack("after network stop and start")
      for command in [exec, tap, attach] { #expect(command.process.isRunning) }
    }

    @Test func `a guest is back when its network is in networks yaml again`() throws {
      try require(.tap)
      let configuration = "networks:\n  lab: {mode: user-v2, gateway: 192.168.172.2}\n"
      let daemon = try TestDaemon(configuration: configuration)
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "lab", "--", "sh", "-c",
        "while :; do ping -c 1 -W 1 192.168.172.2 >/dev/null && echo there; sleep 0.2; done")
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("there") }, "\(guest.errors)")
      let file = daemon.home + "/_config/networks.yaml"
      try FileManager.default.removeItem(atPath: file)
      #expect(
        eventually { guest.errors.contains("network lab is no longer in networks.yaml") },
        "\(guest.errors)")
      try daemon.write(configuration: configuration)
      #expect(eventually { guest.errors.contains("back on network lab") }, "\(guest.errors)")
      let before = guest.output.count
      #expect(eventually { guest.output.count > before }, "\(guest.errors)")
      // Stopped on purpose it stays.
      #expect(try daemon.netd("network", "stop", "lab").succeeded)
      #expect(eventually { guest.errors.contains("network lab was stopped") }, "\(guest.errors)")
    }

    @Test func `a guest that comes back to other addresses asks the new nameserver`() throws {
      try require(.tap)
      func configuration(_ gateway: String) -> String {
        "networks:\n  lab: {mode: user-v2, gateway: \(gateway)}\n"
      }
      let daemon = try TestDaemon(configuration: configuration("192.168.170.2"))
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "lab", "--", "sh", "-c",
        "while :; do grep nameserver /etc/resolv.conf; getent hosts host.lima.internal; sleep 0.2; done"
      )
      defer { guest.stop() }
      #expect(
        eventually { guest.output.contains("192.168.170.2 ") || guest.output.contains("170.2\n") },
        "\(guest.errors)")
      #expect(try daemon.netd("network", "stop", "lab").succeeded)
      try daemon.write(configuration: configuration("192.168.171.2"))
      #expect(try daemon.netd("reload").succeeded)
      #expect(try daemon.netd("network", "start", "lab").succeeded)
      #expect(eventually { guest.output.contains("nameserver 192.168.171.2") }, "\(guest.errors)")
      let before = guest.output.count
      #expect(
        eventually { guest.output.dropFirst(before).contains("host.lima.internal") },
        "\(guest.output.suffix(300))")
    }
  }
}
