// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import PluginAPI
import Testing

@testable import Host

@Suite("Unixgram listener", .timeLimit(.minutes(5))) struct UnixgramListenerTests {
  /// Lets everybody in, and notes who came.
  final class Door: UnixgramListenerDelegate {
    let inbox = Inbox()
    var ports: [DgramPort] = []
    var addresses: [String] = []
    var isOpen = true

    func unixgramGuestKnocks(_ listener: UnixgramListener, address: String) -> PortOptions? {
      addresses.append(address)
      return isOpen ? PortOptions(id: UInt64(ports.count + 1)) : nil
    }

    func unixgramGuestArrived(_ listener: UnixgramListener, _ port: DgramPort, address: String) {
      ports.append(port)
      inbox.attach(port)
      port.handle = port.id
    }

    func portInterestChanged(_ port: Port) {}
    func portWaitsForGate(_ port: Port, at deadline: UInt64) {}
    func portWantsRetry(_ port: Port, at deadline: UInt64) {}
    func portEnded(_ port: Port) {}
  }

  /// A directory of sockets, removed with the value.
  final class Scene {
    let directory: String
    let listener: UnixgramListener
    let door = Door()

    init(limit: Int = 64) throws {
      var template = Array("/tmp/lnd-unixgram-XXXXXX".utf8CString)
      directory = template.withUnsafeMutableBufferPointer { buffer in
        buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? ""
      }
      let fd = try UnixSocket.listen(path: "\(directory)/host", type: .datagram)
      listener = UnixgramListener(id: 5, fd: fd, memory: PortMemory(), limit: limit)
      listener.delegate = door
    }

    deinit {
      for name in ["host", "a", "b", "c", "d"] { unlink("\(directory)/\(name)") }
      rmdir(directory)
    }

    /// A guest's socket, as vfkit makes one: bound, and connected to the host's.
    func guest(_ name: String) throws -> TestFD {
      let fd = try UnixSocket.listen(path: "\(directory)/\(name)", type: .datagram)
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "\(directory)/host".utf8) }
      let length = socklen_t(MemoryLayout<sockaddr_un>.size)
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Sockets.connect(fd, $0, length) }
      }
      #expect(result == 0)
      return TestFD(fd)
    }
  }

  @Test("Guests are told apart by address, and their frames come in batches")
  func guests() throws {
    let scene = try Scene()
    let a = try scene.guest("a")
    let b = try scene.guest("b")
    let frames = (0..<9).map { TestPacket.plain(60 + $0) }
    for (i, frame) in frames.enumerated() { (i < 4 || i == 8 ? a : b).write(frame) }
    scene.listener.onReadable()
    #expect(scene.door.addresses == ["\(scene.directory)/a", "\(scene.directory)/b"])
    #expect(scene.door.inbox.bytes == frames)
    #expect(scene.door.inbox.batches == [4, 4, 1])
    #expect(scene.door.inbox.frames.map(\.handle) == [1, 1, 1, 1, 2, 2, 2, 2, 1])

    #expect(scene.door.ports[0].send([TestPacket.plain(100)]) == 1)
    #expect(scene.door.ports[1].send([TestPacket.plain(200), TestPacket.plain(201)]) == 2)
    #expect(a.read()?.count == 100)
    #expect(a.read() == nil)
    #expect(b.read()?.count == 200)
    #expect(b.read()?.count == 201)
  }

  @Test("vfkit's hello brings a guest in and is no frame; other runts bring nobody")
  func hello() throws {
    let scene = try Scene()
    let a = try scene.guest("a")
    a.write([1, 2, 3, 4])
    scene.listener.onReadable()
    #expect(scene.door.ports.isEmpty)
    a.write(Array("VFKT".utf8))
    scene.listener.onReadable()
    #expect(scene.door.ports.count == 1)
    #expect(scene.door.inbox.frames.isEmpty)
    #expect(scene.door.ports[0].counters.rxRunt == 0)
    #expect(scene.door.ports[0].send([TestPacket.plain(90)]) == 1)
    #expect(a.read()?.count == 90)
  }

  @Test("A guest that another process knew is let in unheard; one that has gone is not")
  func admitted() throws {
    let scene = try Scene()
    let a = try scene.guest("a")
    scene.listener.admit("\(scene.directory)/a")
    scene.listener.admit("\(scene.directory)/a")
    scene.listener.admit("\(scene.directory)/b")
    for text in ["", "@", "@nobody", String(repeating: "x", count: 200)] {
      scene.listener.admit(text)
    }
    try #require(scene.door.ports.count == 1)
    #expect(scene.door.ports[0].send([TestPacket.plain(90)]) == 1)
    #expect(a.read()?.count == 90)
    // It is the same guest when it speaks.
    a.write(TestPacket.plain(60))
    scene.listener.onReadable()
    #expect(scene.listener.guestCount == 1)
    #expect(scene.door.inbox.frames.map(\.handle) == [1])
  }

  @Test("The number of guests is bounded; the nameless and the refused stay out")
  func bounded() throws {
    let scene = try Scene(limit: 2)
    let nameless = TestFD(try UnixSocket.connect(path: "\(scene.directory)/host", type: .datagram))
    nameless.write(TestPacket.plain(60))
    let guests = try ["a", "b", "c"].map { try scene.guest($0) }
    for guest in guests { guest.write(TestPacket.plain(60)) }
    scene.listener.onReadable()
    #expect(scene.listener.guestCount == 2)
    #expect(scene.door.inbox.frames.count == 2)
    #expect(scene.listener.refused == 2)
    scene.listener.forget(scene.door.ports[0])
    scene.door.isOpen = false
    guests[2].write(TestPacket.plain(60))
    scene.listener.onReadable()
    #expect(scene.listener.guestCount == 1)
    #expect(scene.listener.refused == 3)
    scene.door.isOpen = true
    guests[2].write(TestPacket.plain(60))
    scene.listener.onReadable()
    #expect(scene.listener.guestCount == 2)
  }

  @Test("A guest that has gone ends by a send, or by a probe if it is silent")
  func gone() throws {
    let scene = try Scene()
    let guests = try ["a", "b", "c"].map { try scene.guest($0) }
    for guest in guests { guest.write(TestPacket.plain(60)) }
    scene.listener.onReadable()
    guests[0].close()
    #expect(scene.door.ports[0].send([TestPacket.plain(60)]) == 1)
    #expect(scene.door.ports[0].end == .unreachable)

    guests[1].close()
    unlink("\(scene.directory)/b")
    scene.listener.probe()  // all three sent since the last one: none is looked for
    #expect(scene.door.ports[1].end == nil)
    scene.listener.probe()
    #expect(scene.door.ports[1].end == .unreachable)
    #expect(scene.door.ports[2].end == nil)
  }

  @Test("A full guest makes the sender wait, and a timer brings it back")
  func fullGuest() throws {
    let scene = try Scene()
    let a = try scene.guest("a")
    a.write(TestPacket.plain(60))
    scene.listener.onReadable()
    let frames = (0..<500).map { _ in TestPacket.plain(3000) }
    let taken = scene.door.ports[0].send(frames)
    #expect(taken < 500)
    #expect(scene.door.ports[0].counters.txBlocked == 1)
    #expect(scene.door.inbox.retries == [1])
    var read = 0
    while a.read() != nil { read += 1 }
    scene.door.ports[0].onRetry()
    #expect(scene.door.inbox.readies == [1])
    while a.read() != nil { read += 1 }
    #expect(read == taken)
  }

  @Test("A guest that stops reading takes half of the socket's buffer, and the others go on")
  func stuckGuest() throws {
    let scene = try Scene()
    let guests = try ["a", "b", "c"].map { try scene.guest($0) }
    for guest in guests { guest.write(TestPacket.plain(60)) }
    scene.listener.onReadable()
    let ports = scene.door.ports
    try #require(ports.count == 3)
    // What a paused VM is sent: until nothing more is taken, not even into the port's queue.
    let frames = (0..<100).map { _ in TestPacket.plain(1514) }
    var taken = 0
    for _ in 0..<200 {
      let now = ports[0].send(frames)
      taken += now
      if now == 0 { break }
    }
    #expect(ports[0].counters.txBlocked > 0)
    for _ in 0..<20 { ports[0].onRetry() }
    // The others get each frame, and more of them than the buffer holds.
    for round in 0..<100 {
      #expect(ports[1].send(frames) == frames.count, "round \(round)")
      var read = 0
      while guests[1].read() != nil { read += 1 }
      try #require(read == frames.count)
      if round % 10 == 0 { ports[0].onRetry() }
      #expect(ports[2].send([TestPacket.plain(90)]) == 1)
      #expect(guests[2].read()?.count == 90)
    }
    // It reads again, and gets what it was promised.
    var read = 0
    for _ in 0..<100_000 where read < taken {
      if guests[0].read() != nil { read += 1 } else { ports[0].onRetry() }
    }
    #expect(read == taken)
    #expect(ports[0].send(frames) == frames.count)
  }

  @Test("A guest that leaves with its buffer full leaves its part to the others")
  func stuckGuestLeaves() throws {
    let scene = try Scene()
    let guests = try ["a", "b"].map { try scene.guest($0) }
    for guest in guests { guest.write(TestPacket.plain(60)) }
    scene.listener.onReadable()
    let ports = scene.door.ports
    let frames = (0..<100).map { _ in TestPacket.plain(1514) }
    for _ in 0..<200 where ports[0].send(frames) > 0 {}
    guests[0].close()
    scene.listener.forget(ports[0])
    #expect(ports[0].account.held == 0)
    var taken = 0
    for _ in 0..<200 {
      let now = ports[1].send(frames)
      taken += now
      if now < frames.count { break }
    }
    var read = 0
    for _ in 0..<100_000 where read < taken {
      if guests[1].read() != nil { read += 1 } else { ports[1].onRetry() }
    }
    #expect(read == taken)
  }
}
