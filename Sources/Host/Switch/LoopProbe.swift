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
import Wire

struct LoopProbe {
  /// First byte highest.
  static let address: UInt64 = 0xcf00_0000_0000
  static let interval: UInt64 = 1_000_000_000
  /// Offsets of the protocol's own fields: skip count, function, receipt, all little-endian; then data.
  private static let function = EthernetHeader.encodedLength + 2
  private static let data = EthernetHeader.encodedLength + 6
  private static let reply: UInt16 = 1

  /// The uplink that it goes out of; 0: none.
  var uplink: lnd_port = 0
  /// Known to nobody until it is sent, and then to stations behind the uplink alone.
  private let secret: UInt64

  init(secret: UInt64 = .random(in: 1 ... .max)) { self.secret = secret }

  /// Calls `body` with the frame.
  func withFrame(_ body: (UnsafePointer<lnd_frame>) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: EthernetHeader.shortestFrame) { bytes in
      guard let base = bytes.baseAddress else { return }
      bytes.initialize(repeating: 0)
      let out = MutableByteView(base, count: bytes.count)
      EthernetHeader(
        destination: MACAddress(Self.address),
        // A unicast address that is nobody's: locally administered.
        source: MACAddress(0x02 << 40 | secret >> 24), etherType: EtherType.loopback
      ).emit(into: out)
      out.store(Self.reply.byteSwapped, at: Self.function)
      out.store(secret, at: Self.data)
      var frame = lnd_frame()
      frame.data = UnsafePointer(base)
      frame.length = UInt32(bytes.count)
      frame.flags = LND_FRAME_CSUM_VALID
      body(&frame)
    }
  }

  /// Whether a frame to the group is this switch's own.
  func isOwn(_ frame: UnsafePointer<lnd_frame>) -> Bool {
    guard let data = frame.pointee.data, frame.pointee.flags & LND_FRAME_SLICES == 0,
      Int(frame.pointee.length) >= Self.data + 8
    else { return false }
    let bytes = ByteView(data, count: Int(frame.pointee.length))
    return bytes.uint16(at: EthernetField.etherType) == EtherType.loopback
      && bytes.uint64(at: Self.data) == secret
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
