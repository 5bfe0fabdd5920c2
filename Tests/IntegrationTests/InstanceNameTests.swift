// SPDX-License-Identifier: Apache-2.0
//
// An instance's name is its own on each of its networks, and stays so while its lima.yaml has a mistake.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct InstanceNameTests {
    private func names(_ daemon: TestDaemon, on network: String) throws -> String {
      try daemon.netd("dns", "query", "lima-prod.internal", "--network", network).output
    }

    /// A guest that has that name, and by DHCP, too.
    private func thief(
      _ daemon: TestDaemon, on network: String, _ name: String = "lima-prod", mac: String? = nil
    ) throws -> RunningCommand {
      let words =
        ["exec", network, "--name", name] + (mac.map { ["--mac", $0] } ?? [])
        + ["--", "sh", "-c", "echo up; exec sleep 600"]
      let guest = try RunningCommand(
        Installation.daemon, words, environment: daemon.environment)
      guard eventually({ guest.output.contains("up") }) else {
        throw TestFailure("\(guest.errors) \(daemon.log)")
      }
      return guest
    }

    @Test func noOtherGuestTakesTheNameOfAnInstance() throws {
      try require(.tap)
      let daemon = try TestDaemon(
        configuration: """
          networks:
            user-v2: {mode: user-v2, gateway: 192.168.104.1}
            second: {mode: user-v2, gateway: 192.168.123.1}
          """)
      defer { daemon.stop() }
      let folder = daemon.home + "/prod"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      func write(_ text: String) throws {
        try text.write(toFile: folder + "/lima.yaml", atomically: true, encoding: .utf8)
      }
      let mac = "52:55:55:77:00:02"
      try write("networks: [{lima: user-v2}, {lima: second, macAddress: \"\(mac)\"}]\n")
      let up = try daemon.netd("instance", "up", folder)
      #expect(up.succeeded, "\(up)")

      // They came before the instance's own guest, and are called "web" besides, which is theirs.
      var guests: [RunningCommand] = []
      defer { for guest in guests { guest.stop() } }
      for network in ["user-v2", "second"] {
        guests.append(try thief(daemon, on: network))
        guests.append(try thief(daemon, on: network, "web"))
        #expect(
          try eventually {
            try daemon.netd("dns", "query", "web.internal", "--network", network).output
              .contains("192.168.")
          }, "\(daemon.log(of: network))")
        #expect(try !names(daemon, on: network).contains("192.168."), "\(network)")
      }
      guests.append(try thief(daemon, on: "second", "eth1", mac: mac))
      let own = try guestAddress("eth1", daemon)
      #expect(
        try eventually { try names(daemon, on: "second").contains(own) }, "\(daemon.log)")

      // A mistake in its file, and another daemon: nobody has the name, but who was there before may have its own.
      for guest in guests { guest.stop() }
      guests = []
      try write("networks: [{lima: nosuch}]\n")
      try daemon.netd("restart")
      #expect(
        eventually { daemon.log.contains("instance prod is not brought up again") }, "\(daemon.log)"
      )
      guests.append(try thief(daemon, on: "second"))
      guests.append(try thief(daemon, on: "second", "web"))
      #expect(
        try eventually {
          try daemon.netd("dns", "query", "web.internal", "--network", "second").output
            .contains("192.168.")
        })
      #expect(try !names(daemon, on: "second").contains("192.168."))
    }
  }
}
