// SPDX-License-Identifier: Apache-2.0
//
// Detects loops between networks of several daemons: through the uplink to another daemon and back by a guest's port.
// A frame that only this switch can have sent is sent on that uplink when a port is attached and once a second; the
// port on which it returns is closed, so that a loop lasts at most about a second.
//
// The frame is one of Ethernet's Configuration Testing Protocol (Ethernet 2.0, section 8), which switches use for
// loop detection: to the group CF-00-00-00-00-00, which bridges forward, type 0x9000, skip count 0, function "reply",
// a receipt, data.
//
// The data path pays one comparison of group addresses. Thread: loop only.

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

  /// The uplink to be probed; 0: none.
  var uplink: lnd_port = 0
  /// Random; known outside only to stations that received a probe on the uplink.
  private let secret: UInt64

  init(secret: UInt64 = .random(in: 1 ... .max)) { self.secret = secret }

  /// Calls `body` with a probe frame.
  func withFrame(_ body: (UnsafePointer<lnd_frame>) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: EthernetHeader.shortestFrame) { bytes in
      guard let base = bytes.baseAddress else { return }
      bytes.initialize(repeating: 0)
      let out = MutableByteView(base, count: bytes.count)
      EthernetHeader(
        destination: MACAddress(Self.address),
        // A locally administered unicast address that no station has.
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

  /// Whether a frame to the group is a probe of this switch.
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
  /// Probes a port to another daemon's network.
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

  /// Handles a frame to the probes' group. True: it was this switch's probe and is consumed.
  func isProbeBack(_ frame: UnsafePointer<lnd_frame>, _ index: Int) -> Bool {
    guard isProbing, loopProbe.isOwn(frame) else { return false }
    counters.rings &+= 1
    // A probe that returns on the uplink itself shows no loop through this switch.
    if let port = ports[index] {
      port._withUnsafeGuaranteedRef { if $0.handle != loopProbe.uplink { $0.finish(.ring) } }
    }
    return true
  }
}
