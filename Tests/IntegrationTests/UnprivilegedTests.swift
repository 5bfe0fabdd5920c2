// SPDX-License-Identifier: Apache-2.0
//
// Everything as somebody without privileges.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct UnprivilegedTests {
    /// Runs what follows as the user "nobody", when this is root.
    private var asNobody: [String] {
      getuid() == 0
        ? ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]
        : []
    }

    @Test func aUserWithoutPrivilegesHasItAll() throws {
      try require(.tap, .program("curl"), .program("python3"))
      guard readableByAll(Installation.products) else {
        try Test.cancel("the build folder is not readable by other users")
      }
      let daemon = try TestDaemon(wrapper: asNobody)
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }
      let result = try daemon.guest(
        """
        ip -4 -o addr show dev eth0
        ping -c 1 -W 2 192.168.5.2
        curl -sS http://host.lima.internal:\(servers.ports.http)/
        """)
      #expect(result.succeeded, "\(result)\n\(daemon.log)")
      #expect(result.output.contains("192.168.5.15/24"), "\(result)")
      #expect(result.output.contains("Hello from the host."), "\(result)")
    }

    /// Whether the user nobody can get at the build products.
    private func readableByAll(_ path: String) -> Bool {
      let words = asNobody + ["ls", path]
      return (try? run(words[0], Array(words.dropFirst())))?.succeeded == true
    }

    @Test func aCommandWithoutADaemonBringsItsOwn() throws {
      try require(.tap)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let result = try daemon.guest("ping -c 1 -W 2 192.168.5.2")
      #expect(result.succeeded, "\(result)")
    }
  }
}
