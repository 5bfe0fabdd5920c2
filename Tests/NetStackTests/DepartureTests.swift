// SPDX-License-Identifier: Apache-2.0
//
// The departure of a guest with thousands of sockets: a loop iteration closes at most a few hundred, and the next guest on
// the link is not affected.

import Testing
import Wire

@testable import NetStack

@Suite(.timeLimit(.minutes(2))) struct DepartureTests {
  private static let flows = 2000

  /// A guest with many UDP ports, each with two remote endpoints, and some pings.
  private func crowded(kind: LinkKind = .guest) throws -> DatagramWorld {
    let world = try DatagramWorld(kind: kind)
    let other = Endpoint(IPAddress(10, 9, 9, 9), port: 4444)
    for start in stride(from: 0, to: Self.flows, by: 100) {
      world.send(
        batch: (start..<start + 100).flatMap { number in
          let port = UInt16(2000 + number)
          return [DatagramWorld.server, other].map { world.udp(from: port, to: $0, [1]) }
        })
    }
    world.send(
      batch: (0..<200).map { world.echo(UInt16($0), 1, to: DatagramWorld.server.address) })
    #expect(world.kernel.open.count == Self.flows + 200)
    return world
  }

  /// Fires timers until all is closed; returns the number of sockets closed in each iteration.
  private func closings(_ world: DatagramWorld, for seconds: UInt64) -> [Int] {
    let end = world.host.now + seconds * 1_000_000_000
    var closings: [Int] = []
    while let (handle, deadline) = world.host.timers.min(by: { $0.value < $1.value }),
      deadline <= end
    {
      let before = world.kernel.open.count
      world.host.now = max(world.host.now, deadline)
      world.host.timers[handle] = nil
      world.stack.onTimer(handle)
      closings.append(before - world.kernel.open.count)
    }
    return closings
  }

  private func expectNothingLeft(_ world: DatagramWorld) {
    #expect(world.kernel.open.isEmpty && world.host.watches.isEmpty)
    #expect(world.stack.udp.flowCount == 0 && world.stack.icmp.flowCount == 0)
    #expect(world.stack.udp.peers.count == 0)
    #expect(world.stack.core.timers.count == 0)
  }

  @Test func `the sockets of a guest that leaves are closed a few in each turn`() throws {
    let world = try crowded()
    world.stack.portDown(DatagramWorld.port)
    #expect(Self.flows + 200 - world.kernel.open.count == 256)
    let closings = closings(world, for: 1)
    #expect(closings.max() ?? 0 <= 256 && closings.reduce(0, +) == Self.flows + 200 - 256)
    expectNothingLeft(world)
  }

  @Test func `so are those of a station that leaves a switch`() throws {
    let world = try crowded(kind: .switch)
    world.stack.stationsDown([GuestTCP.mac], port: DatagramWorld.port)
    #expect(Self.flows + 200 - world.kernel.open.count == 256)
    #expect(closings(world, for: 1).max() ?? 0 <= 256)
    expectNothingLeft(world)
  }

  /// A guest with the maximum number of peers: 256 for each of 256 ports.
  private func popular() throws -> DatagramWorld {
    let world = try DatagramWorld()
    for port in 0..<256 {
      world.send(
        batch: (0..<256).map {
          let remote = Endpoint(IPAddress(10, 9, 9, UInt8($0)), port: 4444)
          return world.udp(from: UInt16(2000 + port), to: remote, [1])
        })
    }
    #expect(world.kernel.open.count == 256 && world.stack.udp.peers.count == 65_536)
    return world
  }

  /// Maximum number of peers removed in an iteration, some milliseconds' work.
  private static let peersPerTurn = 256 * 33

  private func peerClosings(_ world: DatagramWorld, for seconds: UInt64) -> [Int] {
    let end = world.host.now + seconds * 1_000_000_000
    var closings: [Int] = []
    while let (handle, deadline) = world.host.timers.min(by: { $0.value < $1.value }),
      deadline <= end
    {
      let before = world.stack.udp.peers.count
      world.host.now = max(world.host.now, deadline)
      world.host.timers[handle] = nil
      world.stack.onTimer(handle)
      closings.append(before - world.stack.udp.peers.count)
    }
    return closings
  }

  @Test(arguments: [true, false])
  func `65,536 remote endpoints go in several turns, by a guest's end or their age`(leaves: Bool)
    throws
  {
    let world = try popular()
    if leaves { world.stack.portDown(DatagramWorld.port) }
    let atOnce = 65_536 - world.stack.udp.peers.count
    #expect(atOnce <= Self.peersPerTurn)
    let closings = peerClosings(world, for: 400)
    #expect(closings.max() ?? 0 <= Self.peersPerTurn)
    #expect(closings.reduce(0, +) == 65_536 - atOnce)
    expectNothingLeft(world)
  }

  @Test func `a peer of the guest before lets nothing in, and is no peer of the next`() throws {
    let world = try popular()
    world.stack.portDown(DatagramWorld.port)
    let info = LinkInfo(port: DatagramWorld.port, mtu: 1500)
    #expect(world.stack.portUp(info))
    let old = Set(world.kernel.open)
    // The last port, whose old socket and peers are still there, to one of two endpoints of old.
    world.kernel.sent = []
    let known = Endpoint(IPAddress(10, 9, 9, 1), port: 4444)
    let stranger = Endpoint(IPAddress(10, 9, 9, 2), port: 4444)
    world.send(world.udp(from: 2255, to: known, [7]))
    let fd = try #require(world.kernel.sent.first?.fd)
    #expect(!old.contains(fd))
    world.kernel.sockets[fd]?.incoming = [
      .init(source: stranger, payload: [9]), .init(source: known, payload: [8]),
    ]
    world.poll()
    #expect(world.datagrams().map(\.payload) == [[8]])
    _ = peerClosings(world, for: 1)
    #expect(world.kernel.open == [fd] && world.stack.udp.peers.count == 1)
  }

  @Test func `mappings that come to their end together end in several turns`() throws {
    let world = try crowded()
    let closings = closings(world, for: 400)
    #expect(closings.max() ?? 0 == Stack.timersPerIteration)
    expectNothingLeft(world)
  }

  @Test
  func
    `the next guest in the same place gets sockets of its own, and what comes to the old is dropped`()
    throws
  {
    let world = try crowded()
    world.stack.portDown(DatagramWorld.port)
    let old = Set(world.kernel.open)
    let info = LinkInfo(port: DatagramWorld.port, mtu: 1500)
    #expect(world.stack.portUp(info))
    // The last port of the old guest, whose socket is still there.
    let port = UInt16(2000 + Self.flows - 1)
    world.kernel.sent = []
    world.send(world.udp(from: port, to: DatagramWorld.server, [7]))
    let fd = try #require(world.kernel.sent.first?.fd)
    #expect(!old.contains(fd))
    // An answer to the old guest ends its socket at once.
    let late = try #require(old.max())
    world.kernel.sockets[late]?.incoming = [.init(source: DatagramWorld.server, payload: [9])]
    world.kernel.sockets[fd]?.incoming = [.init(source: DatagramWorld.server, payload: [8])]
    let ping = try #require(world.kernel.sockets.first { $0.value.proto == 1 }?.key)
    world.kernel.sockets[ping]?.incoming = [
      .init(source: DatagramWorld.server, payload: [0, 0, 0xFF, 0xFF, 0, 0, 0, 0])
    ]
    world.poll()
    #expect(world.kernel.sockets[ping] == nil && world.messages().isEmpty)
    #expect(world.datagrams().map(\.payload) == [[8]])
    #expect(world.kernel.sockets[late] == nil)
    let shares = world.stack.core.shares
    let own = shares.of(world.stack.link(of: DatagramWorld.port), GuestTCP.mac)
    _ = closings(world, for: 1)
    #expect(world.kernel.open == [fd])
    #expect(shares.pointer(own).pointee.datagramFlows == 1)
    #expect(shares.pointer(own).pointee.peers == 1)
  }

  @Test func `what is left of a guest makes room for others first`() throws {
    let world = try crowded()
    world.stack.portDown(DatagramWorld.port)
    let info = LinkInfo(port: DatagramWorld.port, mtu: 1500)
    #expect(world.stack.portUp(info))
    // The process has no descriptor more.
    world.kernel.maximumOpen = world.kernel.open.count
    world.kernel.sent = []
    world.send(
      batch: (0..<20).map { world.udp(from: UInt16(9000 + $0), to: DatagramWorld.server, [7]) })
    #expect(Set(world.kernel.sent.map(\.fd)).count == 20)
  }
}
