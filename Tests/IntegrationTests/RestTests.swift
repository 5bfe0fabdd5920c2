// SPDX-License-Identifier: Apache-2.0
//
// A daemon that nobody asks anything takes little memory, also when it was asked before.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct RestTests {
    /// A number of `/proc/PID/status`, KiB.
    private func memory(_ key: String, of process: Int32) throws -> Int {
      let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix(key + ":") })
      return try #require(Int(line.filter(\.isNumber)))
    }

    @Test func whatARequestNeededIsGivenBack() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let process = daemon.processIdentifier
      let rest = 8 << 10
      #expect(try eventually { try memory("VmRSS", of: process) < rest })
      // The most from now on (proc_pid_clear_refs(5)).
      try "5".write(toFile: "/proc/\(process)/clear_refs", atomically: false, encoding: .utf8)
      #expect(try daemon.netd("status").succeeded)
      let most = try memory("VmHWM", of: process)
      #expect(most > rest, "answering took so little that this test shows nothing")
      #expect(try eventually { try memory("VmRSS", of: process) < rest })
      print("daemon: \(most) KiB while asked, \(residentKiB(of: process)) KiB after it")
    }
  }
}
