// SPDX-License-Identifier: Apache-2.0
//
// Limits of a guest's link in addition to the plugin's bindings: an Ethernet address belongs to the link on which it was
// seen first, as long as that exists; an IP address must be in the network; and the rate of frames to all guests is
// limited.
//
// Thread: loop only. None of it costs a unicast frame from the same source as the frame before.

import HostProtocol
import Wire

struct PortSecurity {
  /// Of IPv4.
  let network: UInt32
  let mask: UInt32
  /// Links, and stations, that may send from addresses of others.
  let routerNames: Set<String>
  let routerStations: Set<UInt64>
  let floods: LinkLimits.Rate

  init(_ spec: PortSecuritySpec) {
    let prefixLength = min(max(spec.prefixLength, 0), 32)
    mask = prefixLength == 0 ? 0 : ~0 << UInt32(32 - prefixLength)
    network = spec.network & mask
    routerNames = Set(spec.routers.filter { MACText.parse($0) == nil })
    routerStations = Set(spec.routers.compactMap { MACText.parse($0) })
    floods = LinkLimits.Rate(packetsPerSecond: spec.floodsPerSecond)
  }

  /// A quarter of a second's worth at once: programs that look for others ask many times.
  var floodGate: RateGate { RateGate(floods, leastPackets: max(32, floods.packetsPerSecond / 4)) }

  /// Whether a station of the network may have the address: one of its own, none yet (RFC 2131), or one of the link
  /// (RFC 3927).
  @inline(__always)
  func isLocal(v4 address: UInt32) -> Bool {
    address & mask == network || address == 0 || address >> 16 == 0xa9fe
  }
}

extension Switch {
  /// Holds from now on; nil: nothing of it does.
  package func secure(_ spec: PortSecuritySpec?) {
    let security = spec.map { PortSecurity($0) }
    self.security = security
    addressGuard.security = security
    addresses.isSecure = security != nil
    for index in 0..<ports.bound { secure(index) }
  }

  /// A guest is called something else: it may be a router by that.
  package func renamed(_ port: Port) {
    if let index = ports.index(of: port.handle) { secure(index) }
  }

  /// A port is new, or what holds is.
  func secure(_ index: Int) {
    guard let port = ports[index] else { return }
    vouched[index] = AddressGuard.Vouched(port: Int32(truncatingIfNeeded: index))
    port._withUnsafeGuaranteedRef { port in
      vouched[index].isRouter =
        uplinks.contains(port.handle) || security?.routerNames.contains(port.name) == true
      floodGates[index] =
        uplinks.contains(port.handle) ? RateGate() : security?.floodGate ?? RateGate()
    }
  }

  /// Of frames to all, how many go to all.
  func admitsFloods(_ count: Int, of index: Int) -> Int {
    guard floodGates[index].isActive else { return count }
    let now = clock()
    let admitted = min(count, floodGates[index].left(now: now).packets)
    floodGates[index].charge(bytes: 0, packets: admitted, now: now)
    if admitted < count {
      counters.floodsLimited &+= UInt64(count &- admitted)
      ports[index]?._withUnsafeGuaranteedRef {
        $0.counters.floodsLimited &+= UInt64(count &- admitted)
      }
    }
    return admitted
  }
}
