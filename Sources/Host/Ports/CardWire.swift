// SPDX-License-Identifier: Apache-2.0
//
// CardWire: forwards frames between a guest's port and its macvtap. The switch is not involved: guests on one network
// card reach each other through the kernel, which delivers a copy of every broadcast to each.
//
// A macvtap receives only frames to its own Ethernet address, broadcasts and groups (macvlan_handle_frame), so its
// address is set to the guest's: the source address of the guest's first frame. There is one at a time: frames from
// an address that another port has, or from a second one while the first is in use, are dropped. The address changes
// when the guest uses another after a silence. Setting it waits for an RCU grace period (synchronize_rcu), 10 to 20
// ms, so a worker thread does it; the guest's frames are queued meanwhile, up to a bound.
//
// Thread: loop only.

import Platform
import PluginAPI
import Wire

final class CardWire {
  let guest: Port
  let card: Port
  /// The address of the guest and of the macvtap, first byte highest; 0: none yet.
  private(set) var address: UInt64 = 0

  /// Starts setting the macvtap's address; `settled` is called in a later iteration. False when it cannot be started.
  private let set: (CardWire, UInt64) -> Bool
  private let learningSwitch: Switch
  /// Monotonic, ns.
  private let clock: () -> UInt64
  /// The address being set; 0: none.
  private var wanted: UInt64 = 0
  /// When the guest last sent from `address`, ns.
  private var heardAt: UInt64 = 0
  private var notBefore: UInt64 = 0
  private var waiting: [(frame: lnd_frame, bytes: [UInt8])] = []
  private var waitingBytes = 0

  /// Silence after which an address may be replaced, ns.
  static let silence: UInt64 = 5_000_000_000
  /// Pause after a failure to set the address, ns.
  static let pause: UInt64 = 1_000_000_000
  private static let waitingMax = (frames: 64, bytes: 128 << 10)

  /// - Parameter address: the guest's address, if the macvtap already has it; 0: none.
  init(
    _ guest: Port, _ card: Port, address: UInt64, learningSwitch: Switch,
    clock: @escaping () -> UInt64 = MonotonicClock.now, set: @escaping (CardWire, UInt64) -> Bool
  ) {
    self.guest = guest
    self.card = card
    self.address = address
    self.learningSwitch = learningSwitch
    self.clock = clock
    self.set = set
    let context = Unmanaged.passUnretained(self).toOpaque()
    guest.receiver = FrameReceiver(
      context: context,
      frames: { context, _, frames, count in
        guard let context, let frames else { return }
        Unmanaged<CardWire>.fromOpaque(context)._withUnsafeGuaranteedRef {
          $0.fromGuest(frames, Int(count))
        }
      })
    card.receiver = FrameReceiver(
      context: context,
      frames: { context, _, frames, count in
        guard let context, let frames else { return }
        Unmanaged<CardWire>.fromOpaque(context)._withUnsafeGuaranteedRef {
          $0.fromCard(frames, Int(count))
        }
      })
  }

  /// Disconnects: the ports' frames are dropped from now on.
  func cut() {
    guest.receiver = .discard
    card.receiver = .discard
    wanted = 0
    waiting = []
  }

  /// Sets a guest's address that is known before its first frame.
  func expect(_ mac: UInt64) {
    guard mac != 0, mac != address, wanted == 0, set(self, mac) else { return }
    wanted = mac
  }

  /// Setting the macvtap's address has succeeded or failed.
  func settled(_ mac: UInt64, failed: Bool) {
    guard wanted == mac else { return }
    wanted = 0
    let frames = waiting
    waiting = []
    waitingBytes = 0
    guard !failed else {
      notBefore = clock() &+ Self.pause
      learningSwitch.counters.spoofed &+= UInt64(frames.count)
      guest.counters.spoofed &+= UInt64(frames.count)
      return
    }
    address = mac
    heardAt = clock()
    for (frame, bytes) in frames {
      bytes.withUnsafeBufferPointer { buffer in
        var frame = frame
        frame.data = buffer.baseAddress
        pass(&frame, 1, to: card)
      }
    }
  }

  // MARK: Frames

  private func fromGuest(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    var first = 0
    for i in 0..<count {
      let source = Self.source(frames + i)
      if source == address, !Self.isLinkLocal(frames + i) { continue }
      if first < i { pass(frames + first, i &- first, to: card) }
      first = i &+ 1
      stopped(frames + i, from: source)
    }
    if first < count { pass(frames + first, count &- first, to: card) }
    if first < count { heardAt = clock() }
  }

  private func fromCard(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    var first = 0
    for i in 0..<count where Self.isLinkLocal(frames + i) {
      learningSwitch.counters.filtered &+= 1
      if first < i { pass(frames + first, i &- first, to: guest) }
      first = i &+ 1
    }
    if first < count { pass(frames + first, count &- first, to: guest) }
  }

  @inline(__always)
  private func pass(_ frames: UnsafePointer<lnd_frame>, _ count: Int, to port: Port) {
    if port.forward(frames, count) { port.sendHeld() }
  }

  /// A guest's frame that is dropped, or queued until the address is set.
  private func stopped(_ frame: UnsafePointer<lnd_frame>, from source: UInt64) {
    // A group address or zero is no valid source.
    guard source != 0, source & 1 << 40 == 0, !Self.isLinkLocal(frame) else {
      learningSwitch.counters.filtered &+= 1
      guest.counters.filtered &+= 1
      return
    }
    if wanted == 0 {
      let now = clock()
      let isFree = address == 0 || now &- heardAt >= Self.silence
      if isFree, now >= notBefore { expect(source) }
    }
    guard wanted == source, waiting.count < Self.waitingMax.frames,
      waitingBytes + Int(frame.pointee.length) <= Self.waitingMax.bytes,
      let data = frame.pointee.data
    else {
      learningSwitch.counters.spoofed &+= 1
      guest.counters.spoofed &+= 1
      return
    }
    let bytes = [UInt8](UnsafeBufferPointer(start: data, count: Int(frame.pointee.length)))
    waiting.append((frame.pointee, bytes))
    waitingBytes += bytes.count
  }

  /// Frames have at least 14 bytes, in one piece.
  @inline(__always)
  private static func source(_ frame: UnsafePointer<lnd_frame>) -> UInt64 {
    guard let data = frame.pointee.data else { return 0 }
    return ByteView(data, count: EthernetHeader.encodedLength).macAddress(at: EthernetField.source)
      .rawValue
  }

  /// To 01:80:c2:00:00:0x (IEEE 802.1Q, 8.6.3): bridges and pause frames, never forwarded.
  @inline(__always)
  private static func isLinkLocal(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    guard let data = frame.pointee.data else { return true }
    return ByteView(data, count: EthernetHeader.encodedLength).macAddress(
      at: EthernetField.destination
    )
    .isBridgeGroup
  }
}
