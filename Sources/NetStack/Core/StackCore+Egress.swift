// SPDX-License-Identifier: Apache-2.0
//
// Where flows of guests lead, by the network's own addresses (Policy) and by what guests may reach beyond them (Egress).

import Wire

extension StackCore {
  /// Where a new flow of a guest goes, by the network's addresses and by its egress rules; what these deny is noted.
  func route(proto: UInt8, to destination: Endpoint, of packet: InboundPacket) -> Route {
    let route = policy.route(proto: proto, to: destination)
    guard let reason = egress.denial(of: route, proto: proto, to: destination) else { return route }
    // Behind NAT64 the rules are about the IPv4 address, and so is what is told.
    let judged = if case .connect(let target) = route { target } else { destination }
    let isPortless = proto != IPProtocol.tcp && proto != IPProtocol.udp
    egress.log.note(
      EgressQuestion(
        proto: proto,
        destination: Endpoint(judged.address, port: isPortless ? 0 : judged.port)),
      reason, guest: packet.source, mac: packet.sourceMAC, now: now)
    return .denied
  }

  /// Whether a flow that a guest has would be denied now.
  func isDenied(proto: UInt8, to remote: Endpoint) -> Bool {
    egress.denial(of: policy.route(proto: proto, to: remote), proto: proto, to: remote) != nil
  }
}
