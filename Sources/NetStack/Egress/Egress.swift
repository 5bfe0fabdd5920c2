// SPDX-License-Identifier: Apache-2.0
//
// Egress: the current egress rules, and the log of denied flows. Loop thread only; cold path: used when a flow
// begins.

import Platform
import Wire

package final class Egress {
  package internal(set) var policy: EgressPolicy
  package internal(set) var log = EgressLog()
  /// Whether an address is one of the host's own. Some microseconds.
  package var isOfHost: (IPAddress) -> Bool

  init(_ policy: EgressPolicy) {
    self.policy = policy
    // Where it is asked, before a guest can take the descriptors.
    var addresses = policy.reachesHost ? nil : HostAddresses()
    isOfHost = { address in
      let known = addresses ?? HostAddresses()
      addresses = known
      return known.contains(address.octets)
    }
  }

  /// Why a flow with this route is denied; nil: it is allowed.
  func denial(of route: Route, proto: UInt8, to destination: Endpoint) -> EgressReason? {
    switch route {
    case .connect(let target):
      let question = EgressQuestion(proto: proto, destination: target)
      guard case .denied(let reason) = policy.decide(question, isOfHost: isOfHost) else {
        return nil
      }
      return reason
    case .hostLoopback: return policy.reachesHost ? nil : .host
    case .dns, .refused, .unreachable, .prohibited, .denied, .ignored: return nil
    }
  }
}
