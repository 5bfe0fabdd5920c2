// SPDX-License-Identifier: Apache-2.0
//
// A connection whose circumstances are derived from a seed: properties of the link, sizes of windows and buffers, slow and
// pausing applications, and how it ends.
//
// Invariants: each side has received a prefix of what the other sent, and all of it unless a side reset the connection or
// gave up; memory stays below its bound; afterwards no state is left.

import LibC
import Wire

@testable import NetStack

/// A connection with circumstances from a seed.
final class Scenario {
  enum Ending: Int {
    case orderly, resetByGuest, resetByHost, guestVanishes
  }

  let simulation: Simulation
  private let up: [UInt8]
  private let down: [UInt8]
  private var written = 0
  private let ending: Ending
  /// Time of the end, if it is abrupt.
  private let endsAt: UInt64
  private var hasEnded = false
  private let isForward: Bool
  private let isV4: Bool
  private let guestReads: Int?
  private let hostTakes: Int
  private let hostWrites: Int
  /// Neither side reads during this time.
  private let stallFrom: UInt64
  private let stallTo: UInt64
  private let linkRoom: Int?
  private var socket: FakeKernel.Socket?
  private var nextStep: UInt64 = 0
  /// The guest's link was removed; the host's application may read fast now.
  private var isCutOff = false

  init(seed: UInt64) {
    var random = RandomSource(seed: seed)
    func pick<Value>(_ values: [Value]) -> Value {
      values[Int(random.next() % UInt64(values.count))]
    }
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }

    var weather = pick([LinkWeather.fair, .fair, .bad, .storm])
    if below(4) == 0 { weather.corrupt = below(60) }
    if below(4) == 0 { weather.queue = 3 + below(40) }
    weather.delay = pick([1_000, 100_000, 5_000_000, 40_000_000])
    weather.jitter = pick([200_000, 2_000_000, 300_000_000])
    // One seed in three is of IPv6.
    isV4 = seed % 3 != 0
    let mtu = max(pick([576, 1500, 1500, 9000, 65520]), isV4 ? 0 : UInt32(IPv6Header.leastMTU))
    let window = pick([16, 64, 256, 1024]) << 10
    let buffer = pick([64, 256, 2048]) << 10
    simulation = Simulation(seed: seed, weather: weather, mtu: mtu) {
      $0.receiveWindow = window
      $0.sendBuffer = buffer
      $0.bufferLimit = 4 << 20
      $0.congestion = seed % 2 == 0 ? .newReno : .cubic
    }
    simulation.stepEvery = 5_000_000

    let size = pick([0, 1, 3000, 20_000, 20_000, 90_000])
    up = pattern(below(size + 1), seed: seed)
    down = pattern(below(pick([0, 1, 3000, 20_000, 90_000]) + 1), seed: ~seed)
    ending = Ending(rawValue: max(0, below(8) - 4)) ?? .orderly
    endsAt = simulation.host.now + UInt64(below(600)) * 1_000_000
    isForward = below(3) == 0
    guestReads = pick([nil, nil, 300, 2000, 20_000])
    hostTakes = pick([100, 3000, 30_000, Int.max])
    hostWrites = 1 + below(pick([10, 3000, 60_000]))
    stallFrom = simulation.host.now + UInt64(below(400)) * 1_000_000
    stallTo = stallFrom + UInt64(pick([0, 0, 500, 4000])) * 1_000_000
    linkRoom = pick([nil, nil, 1, 5])

    var guest = GuestTCP(
      local: Endpoint(
        isV4 ? Simulation.guestAddress : Simulation.guestAddress6, port: isForward ? 80 : 40000),
      remote: isForward
        ? Endpoint(isV4 ? Simulation.gateway : Simulation.gateway6, port: 50000)
        : isV4 ? Simulation.server : Simulation.server6,
      iss: UInt32(truncatingIfNeeded: pick([seed &* 0x9E37_79B9, UInt64(UInt32.max) - 500])))
    guest.sack = below(3) != 0
    guest.scale = pick([0, 2, 7, 14])
    guest.mss = UInt16(min(Int(mtu) - (isV4 ? 40 : 60), pick([88, 536, 1460, 65480])))
    // A window smaller than the unit of its scale would stay closed.
    guest.receiveRoom = max(2 << Int(guest.scale), pick([500, 5000, 60_000, 1 << 20]))
    guest.readsAtOnce = guestReads == nil
    guest.out = up
    guest.finishes = true
    simulation.guests = [guest]
  }

  private var isStalled: Bool {
    simulation.host.now >= stallFrom && simulation.host.now < stallTo
  }

  private func step() {
    let host = simulation.host
    guard host.now >= nextStep else { return }
    nextStep = host.now + simulation.stepEvery
    if let room = linkRoom, host.sendRoom == nil || host.sendRoom == 0 {
      host.sendRoom = room
      simulation.stack.txReady(Simulation.port)
    }
    if let reads = guestReads, !isStalled { simulation.guests[0].read(reads) }
    guard let socket else { return }
    socket.sendRoom = isStalled ? 0 : isCutOff ? .max : hostTakes
    if !isStalled, written < down.count {
      let end = min(down.count, written + hostWrites)
      socket.incoming += down[written..<end]
      written = end
    }
    if written == down.count { socket.isIncomingOver = true }
    if host.now >= endsAt { end(socket) }
  }

  private func end(_ socket: FakeKernel.Socket) {
    guard !hasEnded, ending != .orderly else { return }
    hasEnded = true
    // What is left are timers of the stack.
    simulation.stepEvery = 1_000_000_000
    switch ending {
    case .orderly: break
    case .resetByHost: socket.error = ECONNRESET
    case .resetByGuest:
      let guest = simulation.guests[0]
      simulation.guests[0].emit(sequence: guest.next, flags: [.rst, .ack], payload: [])
      simulation.guests[0].state = .reset
      simulation.guests[0].rtoAt = nil
    case .guestVanishes: simulation.weather.loss = 1000
    }
  }

  /// Runs it; returns the violations of invariants.
  func run() -> [String] {
    var problems: [String] = []
    begin()
    simulation.onStep = { [unowned self] _ in step() }
    let bound = simulation.stack.chunks.capacity / 2 + 1
    _ = simulation.run(for: 3_600_000_000_000) { [unowned self] simulation in
      if simulation.stack.chunks.used > bound { return true }
      socket = socket ?? simulation.socket
      return isOver
    }
    if simulation.stack.chunks.used > bound { problems.append("memory above its bound") }
    let guest = simulation.guests[0]
    let received = socket?.received ?? []
    if !received.isPrefix(of: up) { problems.append("the host received other bytes") }
    if !guest.received.isPrefix(of: down) { problems.append("the guest received other bytes") }
    let counters = simulation.stack.tcp.counters
    if !hasEnded, counters.timedOut == 0 {
      if received.count < up.count { problems.append("host: \(received.count) of \(up.count)") }
      if guest.received.count < down.count {
        problems.append("guest: \(guest.received.count) of \(down.count)")
      }
      if socket?.wasReset ?? true { problems.append("reset, and nobody asked for it") }
    }
    // What is left after an abrupt end goes with the link.
    simulation.run(for: 600_000_000_000) { $0.stack.tcp.flowCount == 0 }
    if !hasEnded, simulation.stack.tcp.flowCount != 0 { problems.append("a flow is left") }
    let acknowledged = min(Int(guest.una &- guest.iss &- 1), up.count)
    simulation.stack.portDown(Simulation.port)
    // What the host's side has not taken yet is still offered to it.
    isCutOff = true
    simulation.stepEvery = 1_000_000_000
    simulation.run(for: 3_600_000_000_000) { $0.stack.tcp.flows.count == 0 }
    if simulation.stack.tcp.flows.count != 0 { problems.append("a slot is left") }
    let isHostThere = !(hasEnded && ending == .resetByHost) && counters.timedOut == 0
    if isHostThere, guest.una != guest.iss, (socket?.received.count ?? 0) < acknowledged {
      problems.append("host: \(socket?.received.count ?? 0) of \(acknowledged) acknowledged")
    }
    if simulation.stack.chunks.used != 0 { problems.append("memory is left") }
    if simulation.kernel.openCount != 0 { problems.append("a socket is left") }
    if !simulation.host.watches.isEmpty { problems.append("a watch is left") }
    if simulation.stack.tcp.ranges.count != 0 { problems.append("a list of ranges is left") }
    if simulation.stack.tcp.scoreboards.count != 0 { problems.append("a scoreboard is left") }
    return problems
  }

  private func begin() {
    if isForward {
      let accepted = simulation.kernel.makeConnected()
      socket = accepted.socket
      accepted.socket.sendRoom = 0
      simulation.guests[0].state = .listening
      // The stack knows guests by their frames.
      simulation.send(
        Frames.ip(
          proto: 255, transport: [0], source: simulation.guests[0].local.address,
          destination: simulation.guests[0].remote.address))
      let weather = simulation.weather
      simulation.weather = .fair
      simulation.wait(10_000_000)
      simulation.weather = weather
      _ = simulation.stack.tcp.openTowardGuest(
        socket: accepted.fd, link: simulation.stack.link(of: Simulation.port),
        guest: simulation.guests[0].local, source: simulation.guests[0].remote, owner: 0)
      simulation.stack.endOfIteration()
    } else {
      simulation.kernel.configure = { $0.sendRoom = 0 }
      simulation.guests[0].connect(now: simulation.host.now)
    }
  }

  private var isOver: Bool {
    let guest = simulation.guests[0]
    if hasEnded {
      return simulation.stack.tcp.flowCount == 0 || simulation.host.now > endsAt + 900_000_000_000
    }
    if guest.state == .reset || simulation.stack.tcp.counters.timedOut > 0 { return true }
    return guest.peerFinished && guest.finAcked && socket?.isShut ?? false
  }
}

extension [UInt8] {
  /// Much faster than `starts(with:)` in a debug build.
  fileprivate func isPrefix(of other: [UInt8]) -> Bool {
    guard count <= other.count else { return false }
    return withUnsafeBytes { mine in
      other.withUnsafeBytes { theirs in
        guard let a = mine.baseAddress, let b = theirs.baseAddress else { return mine.isEmpty }
        return memcmp(a, b, mine.count) == 0
      }
    }
  }
}
