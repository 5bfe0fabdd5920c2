// SPDX-License-Identifier: Apache-2.0
//
// Text of denied flows, for `lima-netd status` and `lima-netd egress`.

import NetStack
import Wire

extension EgressQuestion {
  /// "tcp", or the protocol's number if it has no name here.
  var protocolName: String {
    switch proto {
    case IPProtocol.tcp: "tcp"
    case IPProtocol.udp: "udp"
    case IPProtocol.icmp, IPProtocol.icmpV6: "icmp"
    default: String(proto)
    }
  }

  /// "192.0.2.1:443", "192.0.2.1".
  var text: String {
    destination.port == 0 ? destination.address.description : destination.description
  }
}

extension EgressReason {
  var text: String {
    switch self {
    case .host: "host: false"
    case .rule(let label): label
    case .linkLocal: "link-local"
    case .closedNetwork: "closed network"
    case .standard: "default: deny"
    }
  }
}
