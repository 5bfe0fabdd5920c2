// SPDX-License-Identifier: Apache-2.0
//
// A daemon that somebody has stopped: the kernel accepts connections for it, and nobody answers.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct SilentDaemonTests {
    @Test func `a stopped daemon is named by commands and doctor, which do not wait for it`() throws
    {
      let daemon = try TestDaemon()
      let pid = daemon.processIdentifier
      defer {
        kill(pid, SIGCONT)
        daemon.stop()
      }
      #expect(try daemon.netd("network", "ls").succeeded)
      kill(pid, SIGSTOP)
      let list = try daemon.netd("network", "ls")
      #expect(
        !list.succeeded && list.errors.contains("does not answer: its process \(pid) is stopped"))
      #expect(list.errors.contains("kill -CONT \(pid)"), "\(list)")
      let capture = try daemon.netd("capture", "default", "-w", daemon.home + "/x.pcap")
      #expect(!capture.succeeded && capture.errors.contains("kill -CONT \(pid)"), "\(capture)")
      let created = try daemon.netd("network", "create", "lab", "--gateway", "192.168.141.1")
      #expect(!created.succeeded && created.errors.contains("kill -CONT \(pid)"), "\(created)")
      let doctor = try daemon.netd("doctor", "slirp")
      #expect(!doctor.succeeded && doctor.output.contains("kill -CONT \(pid)"), "\(doctor)")
      kill(pid, SIGCONT)
      #expect(try daemon.netd("network", "ls").succeeded)
      #expect(try daemon.netd("doctor", "slirp").output.contains("process \(pid)"))
    }

    @Test func `exec says which stopped daemon it waits for`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      let pid = daemon.processIdentifier
      defer {
        kill(pid, SIGCONT)
        daemon.stop()
      }
      kill(pid, SIGSTOP)
      let guest = try daemon.begin("exec", "default", "--", "echo", "there")
      defer { guest.stop() }
      let waits = "waiting for the daemon, process \(pid), which is stopped (kill -CONT \(pid))"
      #expect(eventually { guest.errors.contains(waits) }, "\(guest.errors)")
      kill(pid, SIGCONT)
      #expect(eventually { guest.output.contains("there") }, "\(guest.errors)")
    }
  }
}
