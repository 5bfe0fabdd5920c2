// SPDX-License-Identifier: Apache-2.0
//
// Finds rings of networks that no one daemon can see: through the uplink to another daemon and back by a guest's port. A
// frame that only this switch can have sent goes out of that uplink when a port comes and once a second; the port by
// which it comes back is closed, so that a ring lasts for a second and not for ever.
//
// The frame is one of Ethernet's Configuration Testing Protocol (Ethernet 2.0, section 8), as switches probe for loops:
// to the group CF-00-00-00-00-00, which bridges pass on, type 0x9000, nothing skipped, function "reply", a receipt, data.
//
// Costs the way of a frame nothing but a comparison of group addresses. Thread: loop only.

import PluginAPI

struct LoopProbe {
  /// First byte highest.
  static let address: UInt64 = 0xcf00_0000_0000
  static let interval: UInt64 = 1_000_000_000
  private static let length = 60
  /// Destination, source, type; skip count 0, function 1, receipt 0: all of the protocol little-endian.
  private static let header = 14 + 6

  /// The uplink that it goes out of; 0: none.
  var uplink: lnd_port = 0
  /// Known to nobody until it is sent, and then to stations behind the uplink alone.
  private let secret: UInt64

  init(secret: UInt64 = .random(in: 1 ... .max)) { self.secret = secret }

  /// Calls `body` with the frame.
  func withFrame(_ body: (UnsafePointer<lnd_frame>) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.length) { bytes in
      guard let base = bytes.baseAddress else { return }
      bytes.initialize(repeating: 0)
      Self.store(Self.address, 6, at: base)
      // Of a unicast address that is nobody's: locally administered.
      Self.store(0x02 << 40 | secret >> 24, 6, at: base + 6)
      Self.store(0x9000_0000_0100, 6, at: base + 12)
      Self.store(secret, 8, at: base + Self.header)
      var frame = lnd_frame()
      frame.data = UnsafePointer(base)
      frame.length = UInt32(Self.length)
      frame.flags = LND_FRAME_CSUM_VALID
      body(&frame)
    }
  }

  /// Whether a frame to the group is this switch's own.
  func isOwn(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    guard let data = frame.pointee.data, frame.pointee.flags & LND_FRAME_SLICES == 0,
      Int(frame.pointee.length) >= Self.header + 8
    else { return false }
    let raw = UnsafeRawPointer(data)
    return raw.loadUnaligned(fromByteOffset: 12, as: UInt16.self).bigEndian == 0x9000
      && raw.loadUnaligned(fromByteOffset: Self.header, as: UInt64.self).bigEndian == secret
  }

  /// The low bytes of a number, highest first.
  private static func store(_ value: UInt64, _ count: Int, at: UnsafeMutablePointer<UInt8>) {
    for i in 0..<count { at[i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - i))) }
  }
}

extension Switch {
  /// The port is the way to another daemon's network.
  package func probe(_ uplink: Port) {
    loopProbe.uplink = uplink.handle
    sendProbe()
  }

  /// Whether there is an uplink to probe.
  package var isProbing: Bool { ports.index(of: loopProbe.uplink) != nil }

  package func sendProbe() {
    guard let index = ports.index(of: loopProbe.uplink) else { return }
    loopProbe.withFrame { frame in
      if ports[index]?._withUnsafeGuaranteedRef({ $0.forward(frame, 1) }) == true { holds(index) }
    }
  }

  /// A frame to the probes' group. True: it was ours, and is done with.
  func isProbeBack(_ frame: UnsafePointer<lnd_frame>, _ index: Int) -> Bool {
    guard isProbing, loopProbe.isOwn(frame) else { return false }
    counters.rings &+= 1
    // What comes back by the uplink itself has gone no way round.
    if let port = ports[index] {
      port._withUnsafeGuaranteedRef { if $0.handle != loopProbe.uplink { $0.finish(.ring) } }
    }
    return true
  }
}
