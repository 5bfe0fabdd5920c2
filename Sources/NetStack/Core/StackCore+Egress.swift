// SPDX-License-Identifier: Apache-2.0
//
// Routes of guests' flows: by the network's own addresses (Policy) and by the egress rules (Egress).

import Wire

extension StackCore {
  /// The route of a guest's new flow; a denial by the egress rules is recorded.
  func route(proto: UInt8, to destination: Endpoint, of packet: InboundPacket) -> Route {
    let route = policy.route(proto: proto, to: destination)
    guard let reason = egress.denial(of: route, proto: proto, to: destination) else { return route }
    // With NAT64 the rules apply to the IPv4 address, which is also reported.
    let judged = if case .connect(let target) = route { target } else { destination }
    let isPortless = proto != IPProtocol.tcp && proto != IPProtocol.udp
    egress.log.note(
      EgressQuestion(
        proto: proto,
        destination: Endpoint(judged.address, port: isPortless ? 0 : judged.port)),
      reason, guest: packet.source, mac: packet.sourceMAC,
      name: name(of: packet.sourceMAC, on: packet.link), now: now)
    return .denied
  }

  /// Whether a flow that a guest has is denied now, and has to end, which is noted.
  func endsDenied(
    proto: UInt8, to remote: Endpoint, guest: IPAddress, mac: MACAddress, link: UInt32
  ) -> Bool {
    let route = policy.route(proto: proto, to: remote)
    guard let reason = egress.denial(of: route, proto: proto, to: remote) else { return false }
    egress.log.noteEnd(
      EgressQuestion(proto: proto, destination: remote), reason, guest: guest, mac: mac,
      name: name(of: mac, on: link), now: now)
    return true
  }

  private func name(of mac: MACAddress, on link: UInt32) -> String {
    guestName?(mac) ?? services(of: link)?.name ?? ""
  }
}
