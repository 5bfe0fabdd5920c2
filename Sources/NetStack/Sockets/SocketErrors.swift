// SPDX-License-Identifier: Apache-2.0
//
// What a socket with IP_RECVERR says about ICMP errors (ip(7)): an entry of its
// error queue as a value. The queue's payload is the start of the datagram at
// fault, its name is where that datagram went.

import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

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
  /// Who sent the ICMP error; nil when the kernel does not know.
  package var offender: IPAddress?
  /// Where the datagram at fault went.
  package var destination: Endpoint
  /// What was in it, from behind the UDP header (of a ping socket, from the ICMP header on).
  package var payload: ByteView

  private enum Origin {
    static let local: UInt8 = 1
    static let icmp: UInt8 = 2
    static let icmpV6: UInt8 = 3
  }

  /// Bytes of struct sock_extended_err.
  private static let encodedLength = 16

  /// Nil for an entry that is no error of a datagram (a timestamp).
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

  /// The MTU of an entry about a datagram that the host's own stack refused as too long. Of an
  /// unconnected socket such an entry names an address without a port (Linux, ip_local_error).
  static func localMTU(_ inbox: DatagramInbox, _ index: Int) -> UInt32? {
    for message in inbox.controls(index)
    where message.level == SocketConstant.levelIP && message.type == SocketConstant.receiveErrors
      && message.data.count >= encodedLength
    {
      let data = message.data
      guard data.base.loadUnaligned(as: Int32.self) == EMSGSIZE, data[4] == Origin.local else {
        return nil
      }
      return data.base.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    }
    return nil
  }

  /// The address of the sockaddr behind the error; its port means nothing.
  private static func address(_ bytes: ByteView) -> IPAddress? {
    guard bytes.count >= 8 else { return nil }
    let family = bytes.base.loadUnaligned(as: UInt16.self)
    if family == 2 { return bytes.ipv4Address(at: 4) }
    if family == 10, bytes.count >= 24 { return bytes.ipv6Address(at: 8) }
    return nil
  }
}

/// An ICMP error for a guest.
package struct ICMPErrorMessage: Equatable {
  package var type: UInt8
  package var code: UInt8
  /// The MTU of "fragmentation needed".
  package var rest: UInt32 = 0
}

extension SocketErrorReport {
  /// What a guest is told: the network's own message, or its translation of an error of
  /// the host's stack. Nil for what no guest needs to know.
  package var messageForGuest: ICMPErrorMessage? {
    let unreachable = ICMPv4Type.destinationUnreachable
    if !isLocal {
      guard destination.address.isV4,
        type == unreachable || type == ICMPv4Type.timeExceeded
          || type == ICMPv4Type.parameterProblem
      else { return nil }
      let isTooLong = type == unreachable && code == ICMPv4Unreachable.fragmentationNeeded
      return ICMPErrorMessage(type: type, code: code, rest: isTooLong ? info & 0xffff : 0)
    }
    switch errno {
    case EMSGSIZE:
      return ICMPErrorMessage(
        type: unreachable, code: ICMPv4Unreachable.fragmentationNeeded, rest: info & 0xffff)
    case EHOSTUNREACH, EHOSTDOWN:
      return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.host)
    case ENETUNREACH:
      return ICMPErrorMessage(type: unreachable, code: ICMPv4Unreachable.network)
    default: return nil
    }
  }
}
