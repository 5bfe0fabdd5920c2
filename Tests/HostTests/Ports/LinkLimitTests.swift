// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import PluginAPI
import TestSupport
import Testing

@testable import Host

@Suite("Limits of a link", .timeLimit(.minutes(1))) struct LinkLimitTests {
  private static let second: UInt64 = 1_000_000_000
  let memory = PortMemory()
  let inbox = Inbox()

  private func port(_ limits: LinkLimits) throws -> (StreamPort, TestFD) {
    let (fd, guest) = try socketPair(.stream)
    let port = StreamPort(
      PortOptions(id: 1), fd: fd, journal: nil, resumed: false, memory: memory)
    inbox.attach(port)
    port.setLimits(limits)
    return (port, guest)
  }

  // MARK: The gate

  @Test(
    "As much passes in a second as the rate says, whatever the frames' sizes",
    arguments: [60, 1514, 65_000])
  func rate(size: Int) {
    var gate = RateGate(LinkLimits.Rate(bytesPerSecond: 10_000_000))
    var now: UInt64 = 5 * Self.second
    let end = now + 2 * Self.second
    var passed = 0
    while now < end {
      while gate.isOpen(now: now) {
        gate.charge(bytes: size, packets: 1, now: now)
        passed += size
      }
      now = max(now + 1, gate.opensAt)
    }
    // What had not been used before passes at once: a tenth of a second's worth.
    #expect(abs(passed - 21_000_000) < 200_000)
  }

  @Test("What was not used is not saved up beyond a burst")
  func burst() {
    var gate = RateGate(LinkLimits.Rate(packetsPerSecond: 1000))
    var now = Self.second
    for _ in 0..<200 { gate.charge(bytes: 60, packets: 1, now: now) }
    #expect(!gate.isOpen(now: now))
    now += 3600 * Self.second
    #expect(gate.left(now: now).packets == 100)
    #expect(gate.left(now: now).bytes == .max)
  }

  @Test("Rates of any size, and times of any distance, neither trap nor open what is closed")
  func extremes() {
    for rate in [1, 1000, 1 << 40, UInt64.max] {
      var gate = RateGate(LinkLimits.Rate(bytesPerSecond: rate, packetsPerSecond: rate))
      for now in [UInt64(0), 1, 10 * Self.second, 1 << 62] {
        gate.charge(bytes: .max, packets: .max, now: now)
        _ = gate.left(now: now)
        #expect(gate.left(now: now).bytes >= 0 && gate.left(now: .max / 4).packets >= 0)
      }
    }
    #expect(!RateGate().isActive && RateGate().left(now: 0).bytes == .max)
  }

  // MARK: The port

  @Test("A guest beyond its limit is not read until it may send again, and loses nothing")
  func fromGuest() throws {
    let (port, guest) = try port(
      LinkLimits(fromGuest: .init(bytesPerSecond: 400_000)))
    let frame = [UInt8](repeating: 7, count: 1000)
    guest.write((0..<150).flatMap { _ in StreamPortTests.wire(frame) })
    while port.interest.contains(.read), inbox.frames.count < 150 { port.onReadable() }
    #expect(port.counters.rxPaused == 1 && inbox.gates.count == 1)
    // A burst's worth, and less than all.
    #expect((60...90).contains(inbox.frames.count))
    port.onGateOpens()
    #expect(!port.interest.contains(.read))
    #expect(
      eventually {
        port.onGateOpens()
        if port.interest.contains(.read) { port.onReadable() }
        return inbox.frames.count == 150
      })
    #expect(port.counters.drops == 0)
  }

  @Test("Frames for a guest beyond its limit stay with their sender, who is told when they may go")
  func toGuest() throws {
    let (port, guest) = try port(LinkLimits(toGuest: .init(bytesPerSecond: 400_000)))
    let frames = (0..<20).map { _ in OwnedFrame([UInt8](repeating: 9, count: 9000)) }
    var sent = 0
    while sent < 20 {
      let taken = port.send(Array(frames[sent...]))
      sent += taken
      if taken == 0 { break }
    }
    #expect((7...9).contains(sent))
    #expect(port.counters.txPaused > 0 && !port.interest.contains(.write))
    #expect(
      eventually {
        port.onGateOpens()
        return !inbox.readies.isEmpty
      })
    #expect(port.send(Array(frames[sent...])) > 0)
    #expect(guest.read() != nil)
  }

  @Test("Frames of other guests wait in a queue that the limit bounds, then they are dropped")
  func forwarded() throws {
    let (port, guest) = try port(LinkLimits(toGuest: .init(bytesPerSecond: 200_000)))
    let frames = (0..<200).map { _ in OwnedFrame([UInt8](repeating: 9, count: 1400)) }
    for frame in frames { port.forward([frame]) }
    port.sendHeld()
    #expect(port.counters.txQueueFull > 50)
    #expect(port.queue.count <= 50_000 + 3000)
    var bytes = 0
    #expect(
      eventually {
        port.onGateOpens()
        while let more = guest.read() { bytes += more.count }
        return port.queue.isEmpty
      })
    #expect(bytes == Int(200 - port.counters.txQueueFull) * 1404)
  }

  @Test("Limits that are taken away have what waits go on at once")
  func lifted() throws {
    let (port, guest) = try port(
      LinkLimits(
        fromGuest: .init(bytesPerSecond: 1000), toGuest: .init(bytesPerSecond: 1000)))
    let frame = [UInt8](repeating: 7, count: 1000)
    guest.write((0..<100).flatMap { _ in StreamPortTests.wire(frame) })
    while port.interest.contains(.read), inbox.frames.count < 100 { port.onReadable() }
    for _ in 0..<100 { port.forward([OwnedFrame([UInt8](repeating: 9, count: 1400))]) }
    port.sendHeld()
    #expect(!port.queue.isEmpty && !port.interest.contains(.read))
    port.setLimits(LinkLimits())
    #expect(port.queue.isEmpty && port.interest.contains(.read))
    #expect(guest.read() != nil)
  }
}
