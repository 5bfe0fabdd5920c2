// SPDX-License-Identifier: Apache-2.0
import HostProtocol
import Platform
import Testing

#if os(Linux)
  import LibC

  /// A process that has as many descriptors as it may have.
  @Suite(.serialized, .timeLimit(.minutes(1))) struct DescriptorTests {
    /// The soft limit, by the command of util-linux: the importer does not bring the call.
    private func limitDescriptors(of pid: Int32, to count: String) throws {
      let child = try ChildProcess.spawn(
        "/usr/bin/prlimit", ["--pid", "\(pid)", "--nofile=\(count):"], fds: [], output: 2)
      #expect(try ChildProcess.wait(child) == .exited(0))
    }

    @Test func linksLeaveTheDNSItsDescriptorsAndOneTooManyIsTold() throws {
      let host = try RunningHost.running(
        NetworkHostTests.echo.get(), dns: NetworkHostTests.mirror.get())
      try limitDescriptors(of: host.pid, to: "300")
      let most = DescriptorReserve.links(of: 300)
      var fds: [Int32] = []
      defer { for fd in fds { close(fd) } }
      for id in 1...117 {
        let guest = try host.addGuest(UInt64(id))
        fds.append(guest.fd)
        guard id > most else {
          #expect(guest.reply == .ok)
          continue
        }
        guard case .failed(let error) = guest.reply else {
          Issue.record("link \(id) was taken")
          return
        }
        #expect(error.code == .limit && error.message.contains("`ulimit -n`"))
      }
      let counters = try host.status().host
      #expect(counters.links == most && counters.maximumLinks == most)
      #expect(counters.refusedLinks == UInt64(117 - most))
      // Everything else goes on, and one that leaves makes room.
      #expect(try exchange(fds[0], testFrame) == echoedFrame)
      #expect(try host.request(.removePort(1)) == .ok)
      let next = try host.addGuest(200)
      fds.append(next.fd)
      #expect(next.reply == .ok)
    }

    @Test func whatFlowsAndLinksLeaveIsEnoughForTheRest() {
      for limit in [100, 256, 300, 1024, 4096, 65_536, 1 << 20] {
        let reserve = DescriptorReserve.size(of: limit)
        #expect(reserve - DescriptorReserve.links(of: limit) >= 32, "\(limit)")
        #expect(DescriptorReserve.links(of: limit) >= 16, "\(limit)")
        #expect(DescriptorReserve.supervisedLinks(of: limit) <= max(16, limit - 96), "\(limit)")
      }
      #expect(DescriptorReserve.links(of: 1 << 20) == 1024)
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
