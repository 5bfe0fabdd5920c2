// SPDX-License-Identifier: Apache-2.0
//
// Routes of guests' flows: by the network's own addresses (Policy) and by the egress rules (Egress).

import Wire

extension StackCore {
  /// The route of a guest's new flow; a denial by the egress rules is recorded.
  func route(proto: UInt8, to destination: Endpoint, of packet: InboundPacket) -> Route {
    let route = policy.route(proto: proto, to: destination)
    guard let reason = egress.denial(of: route, proto: proto, to: destination) else { return route }
    let isPortless = proto != IPProtocol.tcp && proto != IPProtocol.udp
    egress.log.note(
      EgressQuestion(
        proto: proto,
        destination: Endpoint(destination.address, port: isPortless ? 0 : destination.port)),
      reason, guest: packet.source, mac: packet.sourceMAC, now: now)
    return .denied
  }

  /// Whether an existing flow of a guest would be denied now.
  func isDenied(proto: UInt8, to remote: Endpoint) -> Bool {
    egress.denial(of: policy.route(proto: proto, to: remote), proto: proto, to: remote) != nil
  }
}
