// SPDX-License-Identifier: Apache-2.0
import HostProtocol
import Platform
import Testing

#if os(Linux)
  import Glibc

  /// A process that has as many descriptors as it may have.
  @Suite(.serialized, .timeLimit(.minutes(1))) struct DescriptorTests {
    /// The soft limit, by the command of util-linux: the importer does not bring the call.
    private func limitDescriptors(of pid: Int32, to count: String) throws {
      let child = try ChildProcess.spawn(
        "/usr/bin/prlimit", ["--pid", "\(pid)", "--nofile=\(count):"], fds: [], output: 2)
      #expect(try ChildProcess.wait(child) == .exited(0))
    }

    @Test func aGuestWhoseDescriptorDoesNotFitIsRefusedAndTheOthersStay() throws {
      let host = try RunningHost.running(NetworkHostTests.echo.get())
      let guest = try host.addGuest(1)
      defer { close(guest.fd) }
      #expect(guest.reply == .ok)
      try limitDescriptors(of: host.pid, to: "3")
      let refused = try host.addGuest(2)
      defer { close(refused.fd) }
      guard case .failed(let error) = refused.reply else {
        Issue.record("it was taken: \(refused.reply)")
        return
      }
      #expect(error.code == .limit && error.message.contains("descriptor"))
      #expect(try exchange(guest.fd, testFrame) == echoedFrame)
      try limitDescriptors(of: host.pid, to: "1000")
      let third = try host.addGuest(3)
      defer { close(third.fd) }
      #expect(third.reply == .ok)
      #expect(try exchange(third.fd, testFrame) == echoedFrame)
    }
  }
#endif
