// SPDX-License-Identifier: Apache-2.0
//
// A daemon that nobody asks anything takes little memory, also when it was asked before.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct RestTests {
    @Test func whatARequestNeededIsGivenBack() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let process = daemon.processIdentifier
      let rest = 0..<(8 << 10)
      #expect(eventually { rest.contains(residentKiB(of: process)) })
      // The most from now on (proc_pid_clear_refs(5)).
      try "5".write(toFile: "/proc/\(process)/clear_refs", atomically: false, encoding: .utf8)
      #expect(try daemon.netd("status").succeeded)
      let most = residentKiB("VmHWM", of: process)
      #expect(most >= rest.upperBound, "answering took so little that this test shows nothing")
      #expect(eventually { rest.contains(residentKiB(of: process)) })
      print("daemon: \(most) KiB while asked, \(residentKiB(of: process)) KiB after it")
    }
  }
}
