// SPDX-License-Identifier: Apache-2.0
//
// A stack, a guest's link with loss, duplication and reordering, fake sockets, and a clock that advances from event to
// event. Deterministic for a seed.

import Wire

@testable import NetStack

/// Properties of the link in each direction: probabilities, per mille.
struct LinkWeather {
  var loss = 0
  var duplicate = 0
  var reorder = 0
  /// Delay of a frame in nanoseconds, and the additional delay of a reordered one.
  var delay: UInt64 = 100_000
  var jitter: UInt64 = 2_000_000
  /// A byte after the Ethernet header is changed.
  var corrupt = 0
  /// Maximum number of frames in flight to the guest; others are lost, as at a full queue.
  var queue = Int.max

  static let fair = LinkWeather()
  static let bad = LinkWeather(loss: 30, duplicate: 20, reorder: 50)
  static let storm = LinkWeather(loss: 150, duplicate: 50, reorder: 150)
}

final class Simulation {
  static let port: PortID = 7
  static let guestAddress = IPAddress(192, 168, 5, 15)
  static let gateway = IPAddress(192, 168, 5, 2)
  static let server = Endpoint(IPAddress(10, 1, 2, 3), port: 80)
  // fd00:5::/64 and 2001:db8::3.
  static let guestAddress6 = IPAddress(high: 0xfd00_0005 << 32, low: 0x15)
  static let gateway6 = IPAddress(high: 0xfd00_0005 << 32, low: 2)
  static let dns6 = IPAddress(high: 0xfd00_0005 << 32, low: 3)
  static let server6 = Endpoint(IPAddress(high: 0x2001_0db8 << 32, low: 3), port: 80)

  /// The IPv6 configuration of all stacks in these tests.
  static func ipv6() -> IPv6Config {
    guard let prefix = CIDR(gateway6, prefixLength: 64) else { preconditionFailure("a CIDR") }
    return IPv6Config(
      prefix: prefix, gateway: gateway6, dns: dns6, gatewayMAC: GuestTCP.gatewayMAC)
  }

  let host = FakeHost()
  let kernel = FakeKernel()
  let stack: Stack
  var weather: LinkWeather
  var random: RandomSource
  var guests: [GuestTCP] = []
  /// Frames in flight: to the stack, and to the guest.
  private var toStack: [Flying] = []
  private var toGuest: [Flying] = []

  /// A frame and when it arrives.
  private struct Flying {
    var at: UInt64
    var frame: [UInt8]
  }
  /// All frames sent by the stack, before losses.
  var seen: [[UInt8]] = []
  var trace = Trace()
  /// Frames for the guest that are lost, by their number; nil: none but by the weather.
  var losesToGuest: ((Int) -> Bool)?
  private(set) var framesToGuest = 0
  /// How often the applications of the host act.
  var stepEvery: UInt64 = 1_000_000
  /// Called in each step; a test implements the host's applications with it.
  var onStep: (Simulation) -> Void = { _ in }

  init(
    seed: UInt64, weather: LinkWeather = .fair, mtu: UInt32 = 1500,
    kind: LinkKind = .guest,
    configure: (inout StackConfig) -> Void = { _ in }
  ) {
    self.weather = weather
    random = RandomSource(seed: seed ^ 0x5EED)
    guard let subnet = CIDR(Self.gateway, prefixLength: 24) else { preconditionFailure("a CIDR") }
    var config = StackConfig(
      subnet: subnet, gateway: Self.gateway, dns: IPAddress(192, 168, 5, 3))
    config.ipv6 = Self.ipv6()
    config.maximumFlows = 4096
    config.bufferLimit = 32 << 20
    // The clock does not advance while a test opens its flows.
    config.newFlowsPerIteration = .max
    configure(&config)
    stack = Stack(host: host.table, calls: kernel.calls, config: config, seed: seed)
    let info = LinkInfo(port: Self.port, kind: kind, mtu: mtu)
    precondition(stack.portUp(info))
  }

  /// Bytes of frames sent by the stack, and of those that the link lost.
  private(set) var bytesToGuest = 0
  private(set) var bytesLost = 0

  private func chance(_ perMille: Int) -> Bool { Int(random.next() % 1000) < perMille }

  private func post(
    _ frame: [UInt8], _ way: Trace.Way, to queue: inout [Flying]
  ) {
    var isLost = chance(weather.loss)
    if way == .toGuest {
      bytesToGuest += frame.count
      isLost = isLost || losesToGuest?(framesToGuest) == true
      framesToGuest += 1
    }
    if isLost || (way == .toGuest && queue.count >= weather.queue) {
      if way == .toGuest { bytesLost += frame.count }
      trace.add(host.now, way, frame, .lost)
      return
    }
    for copy in 0..<(chance(weather.duplicate) ? 2 : 1) {
      var at = host.now + weather.delay
      let isLate = chance(weather.reorder)
      if isLate { at += random.next() % weather.jitter }
      var frame = frame
      let isBad = chance(weather.corrupt) && frame.count > 14
      if isBad {
        frame[14 + Int(random.next() % UInt64(frame.count - 14))] ^= UInt8(1 + random.next() % 255)
      }
      trace.add(
        host.now, way, frame, isBad ? .corrupted : copy > 0 ? .repeated : isLate ? .late : .whole)
      queue.append(Flying(at: at, frame: frame))
    }
  }

  func send(_ frame: [UInt8]) { post(frame, .toStack, to: &toStack) }

  /// Passes frames to the stack now, in one batch.
  func deliver(_ frames: [[UInt8]]) {
    guard !frames.isEmpty else { return }
    let buffers = frames.map { frame -> UnsafeMutablePointer<UInt8> in
      let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, frame.count))
      buffer.initialize(from: frame, count: frame.count)
      return buffer
    }
    let list = zip(frames, buffers).map { frame, buffer in
      var item = Frame()
      item.data = UnsafePointer(buffer)
      item.length = UInt32(frame.count)
      return item
    }
    list.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return }
      stack.rx(Self.port, base, UInt32($0.count))
    }
    // Overwrites the bytes, to detect pointers kept after the call.
    for (frame, buffer) in zip(frames, buffers) {
      buffer.update(repeating: 0xDD, count: frame.count)
      buffer.deallocate()
    }
  }

  func collect() {
    for frame in host.frames {
      seen.append(frame)
      post(frame, .toGuest, to: &toGuest)
    }
    host.frames.removeAll()
    for index in guests.indices {
      for frame in guests[index].outbox { post(frame, .toStack, to: &toStack) }
      guests[index].outbox.removeAll()
    }
  }

  /// Processes everything that is ready at this time.
  private func settle() {
    for _ in 0..<64 {
      collect()
      var isQuiet = true
      let frames = take(&toStack)
      if !frames.isEmpty {
        isQuiet = false
        deliver(frames)
      }
      for frame in take(&toGuest) {
        isQuiet = false
        for index in guests.indices { guests[index].input(frame, now: host.now) }
      }
      var events: [FDEvent] = []
      for handle in host.watches.count > 1 ? host.watches.keys.sorted() : Array(host.watches.keys) {
        guard let watch = host.watches[handle] else { continue }
        let ready = kernel.events(watch.fd, interest: watch.events)
        if !ready.isEmpty { events.append(FDEvent(token: watch.user, events: ready)) }
      }
      if !events.isEmpty {
        isQuiet = false
        events.withUnsafeBufferPointer {
          guard let base = $0.baseAddress else { return }
          stack.onFDs(base, UInt32($0.count))
        }
      }
      for handle in host.timers.count > 1 ? host.timers.keys.sorted() : Array(host.timers.keys) {
        guard let deadline = host.timers[handle], deadline <= host.now else { continue }
        isQuiet = false
        host.timers[handle] = nil
        stack.onTimer(handle)
      }
      for index in guests.indices { guests[index].timer(now: host.now) }
      if isQuiet { break }
    }
    collect()
  }

  private func take(_ queue: inout [Flying]) -> [[UInt8]] {
    var isAny = false
    for entry in queue where entry.at <= host.now { isAny = true }
    guard isAny else { return [] }
    let ready = queue.filter { $0.at <= host.now }.sorted { $0.at < $1.at }.map(\.frame)
    queue.removeAll { $0.at <= host.now }
    return ready
  }

  /// Runs until `isDone`, no event is left, or `limit` ns have passed; returns whether it was done.
  @discardableResult
  func run(for limit: UInt64 = 120_000_000_000, until isDone: (Simulation) -> Bool) -> Bool {
    let end = host.now + limit
    while host.now < end {
      onStep(self)
      settle()
      if isDone(self) { return true }
      var next = end
      for entry in toStack { next = min(next, entry.at) }
      for entry in toGuest { next = min(next, entry.at) }
      for deadline in host.timers.values { next = min(next, deadline) }
      for guest in guests { if let at = guest.rtoAt { next = min(next, at) } }
      next = min(next, host.now + stepEvery)
      host.now = max(host.now + 1, next)
    }
    return isDone(self)
  }

  /// Advances time.
  func wait(_ nanoseconds: UInt64) { run(for: nanoseconds) { _ in false } }

  /// The only socket the stack opened.
  var socket: FakeKernel.Socket? { kernel.sockets.max { $0.key < $1.key }?.value }
}

/// A sequence of bytes that differ by position.
func pattern(_ count: Int, seed: UInt64) -> [UInt8] {
  var random = RandomSource(seed: seed)
  return [UInt8](unsafeUninitializedCapacity: count + 8) { bytes, used in
    let raw = UnsafeMutableRawBufferPointer(bytes)
    for at in stride(from: 0, to: count, by: 8) {
      raw.storeBytes(of: random.next(), toByteOffset: at, as: UInt64.self)
    }
    used = count
  }
}
