// SPDX-License-Identifier: Apache-2.0
//
// PortForwardRule: a validated rule of lima.yaml's `portForwards`; a list of them determines how a port that a guest
// listens on is forwarded. Pure. The semantics are exactly Lima's (portForwarder of its hostagent).

import DNSMessage

/// An address of a rule or of a listener. IPv4-mapped IPv6 addresses are IPv4 addresses, as in Go's net.IP.
package struct ForwardIP: Sendable, Hashable, CustomStringConvertible {
  private let address: DNSAddress

  package init?(_ text: String) {
    guard let address = DNSAddress(text) else { return nil }
    if case .v6(0, let low) = address, low >> 32 == 0xffff {
      self.address = .v4(UInt32(truncatingIfNeeded: low))
    } else {
      self.address = address
    }
  }

  private init(_ address: DNSAddress) { self.address = address }

  package static let anyIPv4 = ForwardIP(.v4(0))
  package static let anyIPv6 = ForwardIP(.v6(0, 0))
  package static let loopbackIPv4 = ForwardIP(.v4(0x7f00_0001))
  package static let loopbackIPv6 = ForwardIP(.v6(0, 1))

  /// 0.0.0.0 or ::
  package var isUnspecified: Bool { self == .anyIPv4 || self == .anyIPv6 }
  /// 127.0.0.0/8 or ::1
  package var isLoopback: Bool {
    switch address {
    case .v4(let value): value >> 24 == 127
    case .v6: self == .loopbackIPv6
    }
  }

  package var description: String { address.description }

  /// "127.0.0.1:80", "[::1]:80"
  package func with(port: Int) -> String {
    if case .v6 = address { return "[\(address)]:\(port)" }
    return "\(address):\(port)"
  }
}

package struct PortForwardRule: Sendable, Hashable {
  package enum Transport: String, Sendable, Hashable, CaseIterable {
    case tcp
    case udp
    case any
  }

  package var transport: Transport
  package var guestIP: ForwardIP
  /// With guestIP 0.0.0.0: matches listeners on all addresses only.
  package var guestIPMustBeZero: Bool
  package var guestPorts: ClosedRange<Int>
  /// Absolute, or "".
  package var guestSocket: String
  package var hostIP: ForwardIP
  package var hostPorts: ClosedRange<Int>
  /// Absolute, or "".
  package var hostSocket: String
  /// Forwards a socket in the guest to one on the host.
  package var isReverse: Bool
  /// Matching listeners are not forwarded.
  package var ignores: Bool
  /// Set up once, without waiting for a listener in the guest.
  package var isStatic: Bool

  package init(
    transport: Transport = .any, guestIP: ForwardIP = .loopbackIPv4,
    guestIPMustBeZero: Bool = false, guestPorts: ClosedRange<Int> = 1...65535,
    guestSocket: String = "", hostIP: ForwardIP = .loopbackIPv4,
    hostPorts: ClosedRange<Int>? = nil, hostSocket: String = "", isReverse: Bool = false,
    ignores: Bool = false, isStatic: Bool = false
  ) {
    self.transport = transport
    self.guestIP = guestIP
    self.guestIPMustBeZero = guestIPMustBeZero
    self.guestPorts = guestPorts
    self.guestSocket = guestSocket
    self.hostIP = hostIP
    self.hostPorts = hostPorts ?? guestPorts
    self.hostSocket = hostSocket
    self.isReverse = isReverse
    self.ignores = ignores
    self.isStatic = isStatic
  }

  /// Whether the rule matches the listener.
  func covers(_ listener: GuestListener) -> Bool {
    guard guestSocket.isEmpty, transport == .any || transport == listener.transport,
      guestPorts.contains(listener.port)
    else { return false }
    return listener.address.isUnspecified || listener.address == guestIP
      || (listener.address == .loopbackIPv6 && guestIP == .loopbackIPv4)
      || (guestIP.isUnspecified && !guestIPMustBeZero)
  }

  /// The host's end for the guest's `port`, which is one of `guestPorts`.
  func hostEnd(ofGuestPort port: Int) -> HostEnd {
    hostSocket.isEmpty
      ? .address(hostIP, port: port + hostPorts.lowerBound - guestPorts.lowerBound)
      : .socket(hostSocket)
  }
}

/// A listening socket in the guest, as reported by its agent.
package struct GuestListener: Sendable, Hashable {
  package var address: ForwardIP
  package var port: Int
  /// tcp or udp.
  package var transport: PortForwardRule.Transport

  package init(_ address: ForwardIP, _ port: Int, _ transport: PortForwardRule.Transport) {
    self.address = address
    self.port = port
    self.transport = transport
  }
}

/// The host's end of a forward.
package enum HostEnd: Sendable, Hashable, CustomStringConvertible {
  case address(ForwardIP, port: Int)
  case socket(String)

  package var description: String {
    switch self {
    case .address(let address, let port): address.with(port: port)
    case .socket(let path): path
    }
  }

  /// As a forward is told. Lima's listeners are Go's, and to Go `::` is every address of both families (net.Listen).
  var listener: String {
    guard case .address(.anyIPv6, let port) = self else { return description }
    return "\(Forward.everywhere):\(port)"
  }
}
