// SPDX-License-Identifier: Apache-2.0
//
// `lima-netd tap` around the virtual machine: descriptors, exit statuses, and daemons that come and go. What a machine
// does with the TAP is in HostTapMachineTests.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct TapCommandTests {
    @Test func `the command gets its TAPs as the descriptors asked for, and its status comes back`()
      throws
    {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let both = try daemon.netd(
        "tap", "default", "--", Installation.daemon, "tap", "user-v2", "--fd", "4", "--", "sh",
        "-c", "readlink /proc/self/fd/3 /proc/self/fd/4; exit 42")
      #expect(both.output.components(separatedBy: "/net/tun").count == 3, "\(both)")
      #expect(both.status == 42, "\(both)")
      let none = try daemon.netd("tap", "default", "--", "no-such-program")
      #expect(none.status == 127 && none.errors.contains("no such command"), "\(none)")
      let nowhere = try daemon.netd("tap", "nope", "--", "true")
      #expect(nowhere.status == 125 && nowhere.errors.contains("no network `nope`"), "\(nowhere)")
    }

    @Test func `a daemon that is started anew takes the TAP back`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let machine = try daemon.begin(
        "tap", "default", "--", "sh", "-c", "echo runs; exec sleep 60")
      defer { machine.stop() }
      func guests() throws -> Int {
        (try daemon.network("default")["guests"] as? [Any])?.count ?? 0
      }
      // The daemon lists it before it answers.
      #expect(eventually { machine.output.contains("runs") }, "\(machine.errors)")
      #expect(try guests() == 1)
      daemon.command?.stop()
      try daemon.start()
      #expect(try eventually { try guests() == 1 }, "\(machine.errors)\n\(daemon.log)")
      #expect(
        eventually { machine.errors.contains("back on network default") }, "\(machine.errors)")
    }
  }
}
