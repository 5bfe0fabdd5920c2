// SPDX-License-Identifier: Apache-2.0
//
// ICMP errors reported by a socket with IP_RECVERR (ip(7)): an entry of its error queue as a value. The entry's
// payload is the beginning of the datagram in error, its name is that datagram's destination.

import LibC
import Wire

/// An entry of a socket's error queue. Views are valid until the inbox is used again.
package struct SocketErrorReport {
  /// From this host's own stack, not from the network.
  package var isLocal: Bool
  package var errno: Int32
  /// ICMP type and code; 0 for local errors.
  package var type: UInt8
  package var code: UInt8
  /// The MTU of the next hop with EMSGSIZE.
  package var info: UInt32
  /// The source of the ICMP error; nil when the kernel does not know it.
  package var offender: IPAddress?
  /// The destination of the datagram in error.
  package var destination: Endpoint
  /// Its payload, from behind the UDP header (of a ping socket, from the ICMP header on).
  package var payload: ByteView

  private enum Origin {
    static let local: UInt8 = 1
    static let icmp: UInt8 = 2
    static let icmpV6: UInt8 = 3
  }

  /// Bytes of struct sock_extended_err.
  private static let encodedLength = 16

  /// Nil for an entry that is not an error about a datagram (a timestamp).
  package init?(_ inbox: DatagramInbox, _ index: Int) {
    guard let destination = inbox.source(index) else { return nil }
    for message in inbox.controls(index) {
      guard
        message.level == SocketConstant.levelIP && message.type == SocketConstant.receiveErrors
          || message.level == SocketConstant.levelIPv6
            && message.type == SocketConstant.receiveErrorsV6
      else { continue }
      let data = message.data
      guard data.count >= Self.encodedLength else { continue }
      // In the machine's byte order, as the kernel writes structs.
      errno = Int32(bitPattern: data.base.loadUnaligned(as: UInt32.self))
      let origin = data[4]
      guard origin == Origin.local || origin == Origin.icmp || origin == Origin.icmpV6 else {
        continue
      }
      isLocal = origin == Origin.local
      type = data[5]
      code = data[6]
      info = data.base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
      offender = Self.address(data.dropFirst(Self.encodedLength))
      self.destination = destination
      payload = inbox.payload(index)
      return
    }
    return nil
  }

  /// The MTU of an entry about a datagram that the host's own stack refused as too long. For an unconnected socket
  /// the entry has an address without a port (Linux, ip_local_error).
  static func localMTU(_ inbox: DatagramInbox, _ index: Int) -> UInt32? {
    for message in inbox.controls(index)
    where message.data.count >= encodedLength
      && (message.level == SocketConstant.levelIP && message.type == SocketConstant.receiveErrors
        || message.level == SocketConstant.levelIPv6
          && message.type == SocketConstant.receiveErrorsV6)
    {
      let data = message.data
      guard data.base.loadUnaligned(as: Int32.self) == EMSGSIZE, data[4] == Origin.local else {
        return nil
      }
      return data.base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    }
    return nil
  }

  /// The address of the sockaddr behind the error; its port is not used.
  private static func address(_ bytes: ByteView) -> IPAddress? {
    guard bytes.count >= 8 else { return nil }
    let family = bytes.base.loadUnaligned(as: UInt16.self)
    if family == 2 { return bytes.ipv4Address(at: 4) }
    if family == 10, bytes.count >= 24 { return bytes.ipv6Address(at: 8) }
    return nil
  }
}

extension SocketErrorReport {
  /// The message for a guest: the network's own where it is of the guest's family, or its translation. Nil when the
  /// guest gets none.
  package func messageForGuest(isV4: Bool) -> ICMPErrorMessage? {
    if isLocal {
      if errno == EMSGSIZE { return DeliveryFailure.tooBig(mtu: info).message(isV4: isV4) }
      guard errno != ECONNREFUSED else { return nil }
      return DeliveryFailure(errno: errno, isV4: isV4)?.message(isV4: isV4)
    }
    // Of the socket's family; the host's loopback may be of the other (UDPEngine+Loopback).
    guard destination.address.isV4 == isV4 else {
      return failure?.message(isV4: isV4)
    }
    guard isV4 else {
      switch type {
      case ICMPv6Type.destinationUnreachable, ICMPv6Type.timeExceeded:
        return ICMPErrorMessage(type: type, code: code)
      case ICMPv6Type.packetTooBig: return DeliveryFailure.tooBig(mtu: info).message(isV4: false)
      case ICMPv6Type.parameterProblem:
        return ICMPErrorMessage(type: type, code: code, rest: info)
      default: return nil
      }
    }
    switch type {
    case ICMPv4Type.destinationUnreachable where code == ICMPv4Unreachable.fragmentationNeeded:
      return ICMPErrorMessage(type: type, code: code, rest: info & 0xffff)
    case ICMPv4Type.destinationUnreachable, ICMPv4Type.timeExceeded, ICMPv4Type.parameterProblem:
      return ICMPErrorMessage(type: type, code: code)
    default: return nil
    }
  }

  /// Whether it is port unreachable.
  package var isRefusal: Bool { !isLocal && errno == ECONNREFUSED }

  /// The equivalent of a network's error in the other family (RFC 7915 §4.2, §5.2).
  private var failure: DeliveryFailure? {
    if destination.address.isV4 {
      switch type {
      case ICMPv4Type.destinationUnreachable:
        switch code {
        case ICMPv4Unreachable.port: return .port
        case ICMPv4Unreachable.fragmentationNeeded: return .tooBig(mtu: info &+ 20)
        case ICMPv4Unreachable.networkProhibited, ICMPv4Unreachable.hostProhibited,
          ICMPv4Unreachable.prohibited:
          return .prohibited
        case ICMPv4Unreachable.protocolNumber: return .protocolNumber(pointer: 6)
        default: return .noRoute
        }
      case ICMPv4Type.timeExceeded: return code == 0 ? .hopLimit : .reassembly
      default: return nil
      }
    }
    switch type {
    case ICMPv6Type.destinationUnreachable:
      switch code {
      case ICMPv6Unreachable.port: return .port
      case ICMPv6Unreachable.prohibited: return .prohibited
      default: return .host
      }
    case ICMPv6Type.packetTooBig: return .tooBig(mtu: max(info, 1280) &- 20)
    case ICMPv6Type.timeExceeded: return code == 0 ? .hopLimit : .reassembly
    default: return nil
    }
  }
}
