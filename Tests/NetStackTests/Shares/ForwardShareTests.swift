// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// The forwards' part of a process's descriptors.
@Suite(.timeLimit(.minutes(5)))
struct ForwardShareTests {
  /// 132 descriptors for connections; at most 99 for clients of forwards and 24 for listeners.
  private func scene() -> CrowdScene {
    let scene = CrowdScene(guests: 2) { $0.descriptorLimit = 256 }
    let budget = scene.stack.core.descriptors
    precondition(budget.tcp == 132 && budget.forwarded == 99 && budget.listeners == 24)
    return scene
  }

  /// Listens at a port; returns the handle of its watch.
  private func expose(_ scene: CrowdScene, _ port: UInt16) throws -> UInt64 {
    let before = Set(scene.host.watches.keys)
    try scene.stack.forwards.expose(
      ForwardRule(
        kind: .tcp(Endpoint(IPAddress(127, 0, 0, 1), port: port)),
        guest: Endpoint(scene.address(1), port: 80)))
    return try #require(scene.host.watches.keys.first { !before.contains($0) })
  }

  /// Reports clients until the listener is not watched any more, as epoll would.
  private func clients(_ scene: CrowdScene, _ watch: UInt64) {
    for _ in 0..<100 {
      guard let state = scene.host.watches[watch], !state.events.isEmpty else { return }
      let before = scene.kernel.waiting.count
      var event = FDEvent(token: state.user, events: .read)
      scene.stack.onFDs(&event, 1)
      if scene.kernel.waiting.count == before || before == 1 { return }
    }
  }

  private func arrive(_ scene: CrowdScene, _ count: Int) {
    scene.kernel.waiting += (0..<count).map { _ in
      (scene.kernel.makeConnected().fd, Endpoint(IPAddress(127, 0, 0, 1), port: 4000))
    }
  }

  private func passTime(_ scene: CrowdScene, _ nanoseconds: UInt64) {
    scene.host.now += nanoseconds
    for timer in scene.host.timers where timer.value <= scene.host.now {
      scene.host.timers[timer.key] = nil
      scene.stack.onTimer(timer.key)
    }
  }

  @Test func `a client that opens thousands of connections to one forward leaves others theirs`()
    throws
  {
    let scene = scene()
    let (one, other) = (try expose(scene, 1), try expose(scene, 2))
    arrive(scene, 2000)
    clients(scene, one)
    // Four fifths of what is not kept for other forwards; the clients beyond wait where they are.
    #expect(scene.stack.forwards.all.map(\.connections) == [58, 0])
    #expect(scene.kernel.waiting.count == 1942)
    #expect(scene.host.watches[one]?.events == [])
    #expect(scene.stack.forwards.turnedAway == 0)
    // It says once what can be done.
    let words = scene.host.log.filter { $0.contains("new clients wait") }
    #expect(words.count == 1 && words[0].contains("ulimit"))
    // Waiting clients cause no system calls until some time has passed.
    let calls = scene.kernel.acceptCalls
    clients(scene, one)
    #expect(scene.kernel.acceptCalls == calls)
    // Another forward finds some, and so do guests.
    clients(scene, other)
    #expect(scene.stack.forwards.all[1].connections > 0)
    for port in UInt16(1)...20 { scene.send(2, scene.syn(2, port: port)) }
    #expect(scene.share(2).flows == 20)
    #expect(scene.stack.tcp.counters.evicted == 0)
    // Once connections end the clients that waited have theirs.
    scene.stack.portDown(1)
    scene.up(1, .guest)
    passTime(scene, 200_000_000)
    #expect(scene.host.watches[one]?.events == .read)
    #expect(scene.stack.forwards.sockets == 0)
    clients(scene, one)
    #expect(scene.stack.forwards.all[0].connections > 50)
    #expect(scene.host.log.filter { $0.contains("new clients wait") }.count == 1)
  }

  @Test func `many forwards with a few clients each leave guests theirs, too`() throws {
    let scene = scene()
    let watches = try (UInt16(1)...22).map { try expose(scene, $0) }
    for watch in watches {
      arrive(scene, 50)
      clients(scene, watch)
      scene.kernel.waiting = []
    }
    #expect(scene.stack.forwards.sockets <= 99)
    #expect(scene.stack.forwards.all.allSatisfy { $0.connections > 0 })
    scene.send(2, scene.syn(2, port: 1))
    #expect(scene.share(2).flows == 1)
  }

  @Test func `where guests have all descriptors the guest with the most makes room for a client`()
    throws
  {
    let scene = scene()
    let watch = try expose(scene, 1)
    for port in UInt16(1)...200 {
      scene.send(2, scene.syn(2, port: port))
      scene.accept(2)
    }
    #expect(scene.share(2).flows == 131)
    passTime(scene, 2_000_000_000)
    arrive(scene, 10)
    clients(scene, watch)
    #expect(scene.stack.forwards.all[0].connections == 10)
    #expect(scene.share(2).flows == 121)
  }

  @Test func `listeners of forwards are bounded, and the error says what to do`() throws {
    let scene = scene()
    for port in UInt16(1)...24 { _ = try expose(scene, port) }
    let error = #expect(throws: ForwardFailure.self) { try expose(scene, 25) }
    #expect(error?.reason == .limit && error?.text.contains("ulimit") == true)
    // One that goes makes room.
    scene.stack.forwards.unexpose(.tcp(Endpoint(IPAddress(127, 0, 0, 1), port: 7)))
    _ = try expose(scene, 25)
    // They are among the descriptors of connections: the reserve is nobody's.
    for port in UInt16(1)...200 { scene.send(2, scene.syn(2, port: port)) }
    #expect(scene.share(2).flows == 132 - 24)
  }

  @Test func `a process that is out of descriptors rests before it accepts again`() throws {
    let scene = scene()
    let watch = try expose(scene, 1)
    arrive(scene, 3)
    scene.kernel.acceptError = EMFILE
    clients(scene, watch)
    #expect(scene.kernel.acceptCalls == 1 && scene.host.watches[watch]?.events == [])
    for _ in 0..<3 {
      passTime(scene, 110_000_000)
      clients(scene, watch)
    }
    #expect(scene.kernel.acceptCalls == 4)
    #expect(scene.host.log.filter { $0.contains("cannot accept") }.count == 1)
    #expect(scene.host.log.contains { $0.contains("cannot accept") && $0.contains("ulimit") })
    scene.kernel.acceptError = 0
    passTime(scene, 110_000_000)
    clients(scene, watch)
    #expect(scene.stack.forwards.all[0].connections == 3)
  }

  @Test func `connections asked for one by one count among those of forwards`() throws {
    let scene = scene()
    var failure: ForwardFailure?
    for ticket in UInt64(1)...200 {
      let (fd, socket) = scene.kernel.makeConnected()
      do throws(ForwardFailure) {
        try scene.stack.forwards.connect(fd: fd, to: "192.168.5.15:80", ticket: ticket)
      } catch {
        failure = error
        #expect(socket.isClosed)
        break
      }
    }
    #expect(scene.stack.forwards.sockets == 58)
    #expect(failure?.reason == .limit && failure?.text.contains("ulimit") == true)
    scene.stack.portDown(1)
    scene.stack.portDown(2)
    #expect(scene.stack.forwards.sockets == 0)
  }
}
