// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Connections of one guest at the limits that all share.
@Suite(.timeLimit(.minutes(1)))
struct TCPShareTests {
  @Test func `half-open connections of a guest are bounded; old ones make room, young ones do not`()
  {
    let scene = CrowdScene(guests: 2) { $0.maximumHalfOpen = 50 }
    for port in UInt16(1)...200 { scene.send(1, scene.syn(1, port: port)) }
    #expect(scene.share(1).halfOpen == 50 && scene.share(1).counters.refused == 150)
    #expect(scene.kernel.openCount == 50)
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).halfOpen == 1)
    scene.host.now += 1_100_000_000
    for port in UInt16(201)...210 { scene.send(1, scene.syn(1, port: port)) }
    #expect(scene.share(1).halfOpen == 50 && scene.share(1).counters.evicted == 10)
    #expect(scene.kernel.openCount == 51)
  }

  @Test func `a connection that both sides accepted is half open no more`() {
    let scene = CrowdScene(guests: 1) { $0.maximumHalfOpen = 50 }
    for port in UInt16(1)...200 {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
    }
    #expect(scene.share(1).halfOpen == 0 && scene.share(1).flows == 200)
    #expect(scene.share(1).counters.refused == 0)
    scene.stack.portDown(1)
    #expect(scene.stack.tcp.halfOpenCount == 0 && scene.stack.tcp.socketCount == 0)
    #expect(scene.stack.tcp.destinations.count == 0)
  }

  @Test func `half-open ones of many guests leave the next guest some`() {
    let scene = CrowdScene(guests: 12) { $0.maximumHalfOpen = 50 }
    for guest in 1...12 {
      for port in UInt16(1)...100 { scene.send(guest, scene.syn(guest, port: port)) }
    }
    for guest in 1...12 { #expect(scene.share(guest).halfOpen > 0) }
    #expect(scene.stack.tcp.halfOpenCount <= 200)
  }

  @Test func `connections to one destination are bounded, and one guest has not all of them`() {
    let scene = CrowdScene(guests: 2) { $0.maximumPerDestination = 100 }
    for port in UInt16(1)...150 {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
    }
    #expect(scene.share(1).flows == 80)
    // Others, and other destinations, are not concerned.
    let other = Endpoint(CrowdScene.server.address, port: 81)
    scene.send(1, scene.syn(1, port: 1000, to: other))
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(1).flows == 81 && scene.share(2).flows == 1)
  }

  @Test func `a guest with a hundred addresses loses its own connections, not another's`() {
    let scene = CrowdScene(guests: 2) { $0.maximumFlows = 200 }
    for port in UInt16(1)...20 {
      scene.send(2, scene.syn(2, port: port))
      scene.accept(2)
    }
    scene.host.now += 10_000_000_000
    for number in 0..<1000 {
      scene.host.now += 10_000_000
      let source = IPAddress(192, 168, 7, UInt8(1 + number % 100))
      scene.send(1, scene.syn(1, port: UInt16(1000 + number), source: source))
      scene.accept(1)
    }
    #expect(scene.share(2).flows == 20 && scene.share(2).counters.evicted == 0)
    #expect(scene.stack.tcp.flowCount <= 200)
  }

  @Test func `one that comes later gets a connection though the other's are all busy`() {
    let scene = CrowdScene(guests: 2) { $0.maximumFlows = 200 }
    for port in UInt16(1)...300 {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
    }
    // None of its own is idle: it gets no more, and does not lose any.
    let most = scene.share(1).flows
    #expect(most <= 200 && scene.share(1).counters.evicted == 0)
    for port in UInt16(1)...10 {
      scene.send(2, scene.syn(2, port: port))
      scene.accept(2)
    }
    #expect(scene.share(2).flows == 10 && scene.share(1).flows >= most - 10)
  }

  @Test func `a guest's chunks are counted for all of its addresses together`() {
    let scene = CrowdScene(guests: 2)
    for number in 0..<100 {
      scene.send(
        1, scene.syn(1, port: 1000, source: IPAddress(192, 168, 7, UInt8(1 + number))))
    }
    scene.accept(1)
    for socket in scene.kernel.sockets.values { socket.incoming = pattern(1 << 20, seed: 1) }
    for _ in 0..<10 {
      let events = scene.host.watches.values.compactMap { watch -> FDEvent? in
        let ready = scene.kernel.events(watch.fd, interest: watch.events)
        return ready.isEmpty ? nil : FDEvent(token: watch.user, events: ready)
      }
      guard !events.isEmpty else { break }
      scene.stack.onFDs(events, UInt32(events.count))
    }
    let chunks = Int(scene.share(1).chunks)
    #expect(chunks == scene.stack.chunks.used && chunks * 2 <= scene.stack.chunks.capacity + 1)
  }

  @Test func `lists of ranges of one guest leave others some, and come back (RFC 2018 §4)`() {
    let scene = CrowdScene(guests: 2) { $0.bufferLimit = 256 << 20 }
    let capacity = scene.stack.tcp.ranges.capacity
    for port in UInt16(1)...UInt16(capacity) {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
      // A byte behind a hole.
      scene.send(1, scene.data(1, port: port, sequence: 1002))
    }
    #expect(Int(scene.share(1).ranges) == capacity / 2)
    for port in UInt16(1)...100 {
      scene.send(2, scene.syn(2, port: port))
      scene.accept(2)
      scene.send(2, scene.data(2, port: port, sequence: 1002))
    }
    #expect(scene.share(2).ranges == 100)
    // The hole is filled.
    for port in UInt16(1)...100 { scene.send(2, scene.data(2, port: port, sequence: 1001)) }
    #expect(scene.share(2).ranges == 0)
    scene.stack.portDown(1)
    #expect(scene.stack.tcp.ranges.count == 0)
  }

  // MARK: Descriptors

  @Test func `connections leave UDP, pings and DNS their descriptors`() {
    var config = CrowdScene(guests: 1).stack.config
    config.maximumFlows = 131_072
    config.descriptorLimit = 1024
    let small = DescriptorBudget(config)
    #expect(small.udp == 192 && small.pings == 24 && small.streams == 24 && small.tcp == 528)
    config.descriptorLimit = 1 << 20
    let large = DescriptorBudget(config)
    #expect(large.udp == 4096 && large.pings == 256 && large.streams == 256)
    #expect(large.tcp == 131_072)
    config.descriptorLimit = 1
    let none = DescriptorBudget(config)
    #expect(none.tcp >= 1 && none.udp >= 1 && none.pings >= 1 && none.streams >= 1)
  }

  @Test func `a guest's connections end where the reserve begins`() {
    let scene = CrowdScene(guests: 2) { $0.descriptorLimit = 256 }
    for port in UInt16(1)...400 {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
    }
    #expect(scene.kernel.openCount == scene.stack.core.descriptors.tcp)
    #expect(scene.kernel.openCount < 256 - DescriptorBudget.reserve(of: 256))
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).flows == 1)
    #expect(scene.kernel.openCount == scene.stack.core.descriptors.tcp)
  }

  @Test
  func
    `a guest with thousands of connections that leaves ends some at once, the others bit by bit`()
  {
    let scene = CrowdScene(guests: 2) { $0.maximumFlows = 8192 }
    for port in UInt16(1)...2000 {
      scene.send(1, scene.syn(1, port: port))
      scene.accept(1)
    }
    #expect(scene.kernel.openCount == 2000)
    scene.stack.portDown(1)
    // No more system calls than a turn has time for.
    #expect(scene.kernel.openCount == 2000 - 256)
    // None of them is found any more, not even by a guest that gets the place.
    scene.up(1, .guest)
    scene.host.frames = []
    scene.send(1, scene.syn(1, port: 1999))
    scene.accept(1)
    #expect(scene.kernel.openCount == 2000 - 256 + 1)
    // One at whose socket something happens ends at once; the others with time.
    for _ in 0..<20 {
      let before = scene.kernel.openCount
      scene.turn(after: 1_000_000)
      #expect(before - scene.kernel.openCount <= 256)
      // They do not count against the guest that came after them.
      #expect(scene.share(1).flows == 1)
    }
    #expect(scene.kernel.openCount == 1 && scene.stack.tcp.flowCount == 1)
    #expect(scene.kernel.sockets.values.filter(\.wasReset).count == 2000)
    #expect(scene.stack.chunks.used == 0)
  }
}
