// SPDX-License-Identifier: Apache-2.0
//
// A DNS plugin that serves sockets of the host (RFC 7766), without a network.

import LibC
import DNSMessage
import HostProtocol
import Platform
import Testing

@testable import Host

@Suite(.serialized, .timeLimit(.minutes(5))) struct DNSServerTests {
  /// A process that serves, and its ports.
  private struct Served {
    let host: RunningHost
    let udp: UInt16
    let tcp: UInt16

    init(_ plugin: Fixture) throws {
      host = try RunningHost()
      let sockets = [try LoopbackSockets.datagram(port: 0), try LoopbackSockets.listener(port: 0)]
      defer { for fd in sockets { close(fd) } }
      udp = try LoopbackSockets.port(of: sockets[0])
      tcp = try LoopbackSockets.port(of: sockets[1])
      let spec = DNSServerSpec(name: "test", dns: DNSSwapTests.spec(plugin))
      let reply = try host.request(.serveDNS(spec), fds: sockets)
      guard reply == .ok else { throw RunningHost.Failure(description: "\(reply)") }
    }

    func connect(_ type: Int32, _ port: UInt16) throws -> Int32 {
      let fd = Int32(Sockets.socket(AF_INET, type, 0))
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      _ = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          Sockets.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard try Descriptor.wait(fd, .write, timeout: 5000) else {
        throw RunningHost.Failure(description: "not connected")
      }
      return fd
    }
  }

  private func message(_ name: String, id: UInt16) throws -> [UInt8] {
    let name = try #require(DNSName(name))
    return DNSMessage(query: DNSQuestion(name: name, type: .a), id: id).encoded()
  }

  private func framed(_ message: [UInt8]) -> [UInt8] {
    [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
  }

  /// Whole messages from a stream, until it ends or `count` are there.
  private func messages(_ fd: Int32, _ count: Int) throws -> [DNSMessage] {
    var frames = DNSFrames()
    var found: [DNSMessage] = []
    while found.count < count {
      let piece = try receiveFrame(fd)
      guard !piece.isEmpty else { break }
      piece.withUnsafeBytes { frames.append($0) }
      while let message = frames.first {
        frames.removeFirst()
        found.append(try DNSMessage(parsing: message))
      }
    }
    return found
  }

  @Test func manyQuestionsOverUDPAreEachAnsweredToTheirSender() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let clients = try (0..<4).map { _ in try served.connect(Sockets.datagram, served.udp) }
    defer { for fd in clients { close(fd) } }
    for round in 0..<50 {
      for (index, fd) in clients.enumerated() {
        let query = try message("n\(round).example", id: UInt16(round * 4 + index))
        #expect(Sockets.send(fd, query, query.count, 0) == query.count)
      }
    }
    for (index, fd) in clients.enumerated() {
      var ids: Set<UInt16> = []
      for _ in 0..<50 {
        let answer = try DNSMessage(parsing: receiveFrame(fd))
        #expect(answer.header.isResponse)
        ids.insert(answer.header.id)
      }
      #expect(ids == Set((0..<50).map { UInt16($0 * 4 + index) }))
    }
  }

  @Test func questionsMayFollowEachOtherAndAnswersOvertake() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let fd = try served.connect(Sockets.stream, served.tcp)
    defer { close(fd) }
    // The first is never answered by the plugin; 200 behind it are, though 128 at a time.
    var bytes = try framed(message("x.example", id: 1000))
    for id in 0..<200 { bytes += try framed(message("n\(id).example", id: UInt16(id))) }
    // In pieces that cut lengths and messages.
    for start in stride(from: 0, to: bytes.count, by: 33) {
      let piece = Array(bytes[start..<min(start + 33, bytes.count)])
      #expect(Sockets.send(fd, piece, piece.count, 0) == piece.count)
    }
    let answers = try messages(fd, 200)
    #expect(Set(answers.map(\.header.id)) == Set(0..<200))
  }

  @Test func aClientThatHasEndedGetsWhatItIsOwed() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let fd = try served.connect(Sockets.stream, served.tcp)
    defer { close(fd) }
    let bytes =
      try framed(message("a.example", id: 1)) + framed(message("b.example", id: 2)) + [0, 99, 1]
    #expect(Sockets.send(fd, bytes, bytes.count, 0) == bytes.count)
    #expect(Sockets.shutdown(fd, Int32(SHUT_WR)) == 0)
    #expect(try messages(fd, 3).count == 2)
  }

  @Test func whatIsNoQuestionEndsItsConnectionOnly() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let bad = try served.connect(Sockets.stream, served.tcp)
    let good = try served.connect(Sockets.stream, served.tcp)
    defer { for fd in [bad, good] { close(fd) } }
    #expect(Sockets.send(bad, [0, 3, 1, 2, 3], 5, 0) == 5)
    #expect(try receiveFrame(bad).isEmpty)
    let query = try framed(message("a.example", id: 1))
    #expect(Sockets.send(good, query, query.count, 0) == query.count)
    #expect(try messages(good, 1).count == 1)
  }

  @Test func anIdleClientMakesRoomForANewOne() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let query = try framed(message("a.example", id: 1))
    var clients: [Int32] = []
    defer { for fd in clients { close(fd) } }
    for _ in 0..<(DNSServer.maximumConnections + 20) {
      let fd = try served.connect(Sockets.stream, served.tcp)
      clients.append(fd)
      #expect(Sockets.send(fd, query, query.count, 0) == query.count)
      #expect(try messages(fd, 1).count == 1)
    }
    // The first ones have gone, the last is served on.
    #expect(try receiveFrame(clients[0]).isEmpty)
    let last = try #require(clients.last)
    #expect(Sockets.send(last, query, query.count, 0) == query.count)
    #expect(try messages(last, 1).count == 1)
    let counters = try served.host.status().switchCounters
    #expect(counters["open"] == UInt64(DNSServer.maximumConnections))
    #expect(counters["idle"] == 20)
  }

  @Test func aClientThatStallsInsideAQuestionIsLetGoOf() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let fd = try served.connect(Sockets.stream, served.tcp)
    defer { close(fd) }
    let began = MonotonicClock.now()
    // A question of 256 octets, one of them every second.
    #expect(Sockets.send(fd, [1, 0], 2, 0) == 2)
    while MonotonicClock.now() - began < 20_000_000_000 {
      guard Sockets.send(fd, [0], 1, 0) == 1 else { break }
      if try Descriptor.wait(fd, .read, timeout: 1000) { break }
    }
    let spent = MonotonicClock.now() - began
    #expect(spent > DNSServer.idleTime - 1_000_000_000 && spent < 15_000_000_000)
  }

  @Test func thePluginCanBeChangedAndTheProcessEndsCleanly() throws {
    let served = try Served(NetworkHostTests.mirror.get())
    let fd = try served.connect(Sockets.datagram, served.udp)
    defer { close(fd) }
    #expect(try served.host.request(.setDNS(DNSSwapTests.spec(DNSSwapTests.refusing.get()))) == .ok)
    let query = try message("a.example", id: 9)
    #expect(Sockets.send(fd, query, query.count, 0) == query.count)
    #expect(try DNSMessage(parsing: receiveFrame(fd)).responseCode == .refused)
    guard case .failed(let error) = try served.host.request(.listLeases) else {
      return #expect(Bool(false), "it has leases")
    }
    #expect(error.code == .unsupported)
    #expect(try served.host.request(.stop) == .ok)
    #expect(try served.host.exit() == .exited(0))
  }

  @Test func framesAreCutWhereTheirLengthsSay() {
    var frames = DNSFrames()
    let stream: [UInt8] = [0, 2, 7, 8, 0, 0, 0, 1, 9, 1]
    for byte in stream { withUnsafeBytes(of: byte) { frames.append($0) } }
    #expect(frames.first == [7, 8])
    frames.removeFirst()
    #expect(frames.first == [])
    frames.removeFirst()
    #expect(frames.first == [9])
    frames.removeFirst()
    #expect(frames.first == nil && frames.count == 1)
  }
}
