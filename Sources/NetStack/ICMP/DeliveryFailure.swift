// SPDX-License-Identifier: Apache-2.0
//
// Why a packet is not delivered, independent of the family, and the ICMP error for it in each (RFC 792, RFC 1812
// §5.2.7.1; RFC 4443 §3).

import LibC
import Wire

/// An ICMP error for a guest.
package struct ICMPErrorMessage: Equatable {
  package var type: UInt8
  package var code: UInt8
  /// The second four bytes: an MTU, or the pointer of a parameter problem.
  package var rest: UInt32 = 0
}

/// Why a packet of a guest is not delivered.
package enum DeliveryFailure: Equatable, BitwiseCopyable, Sendable {
  /// No route to the network.
  case noRoute
  /// The host is unreachable.
  case host
  /// The port is unreachable.
  case port
  /// Administratively prohibited.
  case prohibited
  /// The protocol is unreachable.
  /// - Parameter pointer: offset of the protocol number in an IPv6 packet.
  case protocolNumber(pointer: UInt32)
  /// The packet exceeds the MTU and must not be fragmented.
  case tooBig(mtu: UInt32)
  /// The hop limit would be exceeded by forwarding.
  case hopLimit
  /// Fragment reassembly time exceeded.
  case reassembly
  /// IPv6: beyond scope of source address (RFC 4443 §3.1).
  case beyondScope
  /// IPv6: a parameter problem.
  case parameterProblem(code: UInt8, pointer: UInt32)

  /// The failure for the errno of a socket call. A host without IPv6 has no socket of it, or no source address.
  init?(errno: Int32, isV4: Bool) {
    switch errno {
    case ENETUNREACH, ENETDOWN: self = .noRoute
    case EADDRNOTAVAIL where !isV4: self = .noRoute
    case EAFNOSUPPORT where !isV4: self = .noRoute
    case EHOSTUNREACH, EHOSTDOWN: self = .host
    case ECONNREFUSED: self = .port
    case EACCES, EPERM: self = .prohibited
    default: return nil
    }
  }

  package func message(isV4: Bool) -> ICMPErrorMessage { isV4 ? messageV4 : messageV6 }

  private var messageV4: ICMPErrorMessage {
    let unreachable = ICMPv4Type.destinationUnreachable
    switch self {
    case .noRoute: return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.network)
    case .host, .beyondScope:
      return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.host)
    case .port: return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.port)
    case .prohibited:
      return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.prohibited)
    case .protocolNumber:
      return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.protocolNumber)
    case .tooBig(let mtu):
      return ICMPErrorMessage(
        type: unreachable, code: ICMPv4Unreachable.fragmentationNeeded, rest: mtu & 0xffff)
    case .hopLimit:
      return ICMPErrorMessage(type: ICMPv4Type.timeExceeded, code: ICMPv4TimeExceeded.inTransit)
    case .reassembly:
      return ICMPErrorMessage(type: ICMPv4Type.timeExceeded, code: ICMPv4TimeExceeded.reassembly)
    case .parameterProblem(_, let pointer):
      return ICMPErrorMessage(type: ICMPv4Type.parameterProblem, code: 0, rest: pointer << 24)
    }
  }

  private var messageV6: ICMPErrorMessage {
    let unreachable = ICMPv6Type.destinationUnreachable
    switch self {
    case .noRoute: return ICMPErrorMessage(type: unreachable, code: ICMPv6Unreachable.noRoute)
    case .host: return ICMPErrorMessage(type: unreachable, code: ICMPv6Unreachable.address)
    case .port: return ICMPErrorMessage(type: unreachable, code: ICMPv6Unreachable.port)
    case .prohibited:
      return ICMPErrorMessage(type: unreachable, code: ICMPv6Unreachable.prohibited)
    case .beyondScope:
      return ICMPErrorMessage(type: unreachable, code: ICMPv6Unreachable.beyondScope)
    case .protocolNumber(let pointer):
      return ICMPErrorMessage(
        type: ICMPv6Type.parameterProblem, code: ICMPv6ParameterProblem.nextHeader, rest: pointer)
    case .tooBig(let mtu):
      // The minimum MTU of IPv6 (RFC 8200 §5).
      return ICMPErrorMessage(
        type: ICMPv6Type.packetTooBig, code: 0, rest: max(mtu, UInt32(IPv6Header.leastMTU)))
    case .hopLimit:
      return ICMPErrorMessage(type: ICMPv6Type.timeExceeded, code: ICMPv6TimeExceeded.hopLimit)
    case .reassembly:
      return ICMPErrorMessage(type: ICMPv6Type.timeExceeded, code: ICMPv6TimeExceeded.reassembly)
    case .parameterProblem(let code, let pointer):
      return ICMPErrorMessage(type: ICMPv6Type.parameterProblem, code: code, rest: pointer)
    }
  }
}
