// SPDX-License-Identifier: Apache-2.0
//
// A forward as the user gives it, and what can be wrong with it. Every reason is a
// sentence a user can act on; nothing else in this folder makes text.

import Platform
import PluginAPI
import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What listens on the host.
package enum ForwardKind: Equatable, Sendable {
  case tcp(Endpoint)
  case udp(Endpoint)
  /// A unix stream socket at a path; TCP in the guest.
  case unix(String)

  /// "tcp", "udp", "unix"
  package var name: String {
    switch self {
    case .tcp: "tcp"
    case .udp: "udp"
    case .unix: "unix"
    }
  }

  /// "127.0.0.1:8080" or a path.
  package var host: String {
    switch self {
    case .tcp(let endpoint), .udp(let endpoint): endpoint.description
    case .unix(let path): path
    }
  }
}

/// A socket of the host that leads into a guest.
package struct ForwardSpec: Equatable, Sendable {
  package var kind: ForwardKind
  package var guest: Endpoint
  /// Which guest of an isolated network; "" is the one that came first.
  package var guestName: String
  /// Whether the guest sees clients under their own addresses; nil: as the network's options say.
  package var showsClients: Bool?

  package init(
    kind: ForwardKind, guest: Endpoint, guestName: String = "", showsClients: Bool? = nil
  ) {
    self.kind = kind
    self.guest = guest
    self.guestName = guestName
    self.showsClients = showsClients
  }
}

/// Why a forward cannot be.
package struct ForwardFailure: Error, Equatable, Sendable {
  /// LND_ERR_*
  package var status: lnd_status
  package var text: String
}

extension ForwardFailure {
  static func invalid(_ text: String) -> ForwardFailure {
    ForwardFailure(status: LND_ERR_INVALID_CONFIG, text: text)
  }

  /// What a failed bind or listen means for the user.
  /// - Parameter detail: what is known beyond `code`.
  static func binding(
    _ code: Int32, _ kind: ForwardKind, detail: String? = nil
  ) -> ForwardFailure {
    let host = kind.host
    switch code {
    case EMFILE, ENFILE:
      return ForwardFailure(
        status: LND_ERR_LIMIT, text: "\(host): too many open files: \(DescriptorBudget.remedy)")
    default: break
    }
    switch kind {
    case .unix(let path): return unix(UnixSocket.refusal(of: path, code, detail: detail))
    case .tcp(let endpoint), .udp(let endpoint): return binding(code, endpoint, detail)
    }
  }

  private static func unix(_ refusal: UnixSocket.Refusal) -> ForwardFailure {
    switch refusal.kind {
    case .taken: ForwardFailure(status: LND_ERR_EXISTS, text: refusal.text)
    case .invalid: .invalid(refusal.text)
    case .system: ForwardFailure(status: LND_ERR_SYSTEM, text: refusal.text)
    }
  }

  private static func binding(
    _ code: Int32, _ endpoint: Endpoint, _ detail: String?
  ) -> ForwardFailure {
    let host = endpoint.description
    switch code {
    case EADDRINUSE:
      return ForwardFailure(status: LND_ERR_EXISTS, text: "\(host) is in use")
    case EACCES, EPERM:
      return ForwardFailure(
        status: LND_ERR_SYSTEM,
        text: "\(host): ports below net.ipv4.ip_unprivileged_port_start (1024 unless changed) "
          + "need privilege; use a higher one, or allow it: "
          + "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=\(endpoint.port)")
    case EADDRNOTAVAIL:
      // Not the forward is wrong: the address may come, with a VPN or a cable.
      return ForwardFailure(
        status: LND_ERR_SYSTEM, text: "\(host) is not an address of this host")
    case EAFNOSUPPORT:
      return .invalid("\(host): this host has no IPv6")
    default:
      return ForwardFailure(
        status: LND_ERR_SYSTEM, text: "\(host): \(detail ?? errorText(code))")
    }
  }
}

extension ForwardSpec {
  /// Reads the texts of a forward.
  /// - Parameters:
  ///   - proto: LND_FORWARD_*
  ///   - guest: nil when only the host's side matters.
  package init(
    proto: UInt32, host: String, guest: String?, guestName: String, showsClients: Bool? = nil
  ) throws(ForwardFailure) {
    let kind: ForwardKind
    switch proto {
    case LND_FORWARD_TCP: kind = .tcp(try Self.hostEndpoint(host))
    case LND_FORWARD_UDP: kind = .udp(try Self.hostEndpoint(host))
    case LND_FORWARD_UNIX:
      guard host.hasPrefix("/") else {
        throw .invalid("\(host): the path of a unix socket must be absolute")
      }
      guard !host.utf8.contains(0) else {
        throw .invalid("\(host): the path of a unix socket has no NUL in it")
      }
      kind = .unix(host)
    default:
      throw ForwardFailure(
        status: LND_ERR_UNSUPPORTED, text: "unknown protocol \(proto): tcp, udp and unix are known")
    }
    var endpoint = Endpoint(.anyV4, port: 0)
    if let guest {
      guard let parsed = Endpoint(guest), parsed.port != 0 else {
        throw .invalid("\(guest) is not an address and port of a guest, as 192.168.5.15:80")
      }
      endpoint = parsed
    }
    self.init(kind: kind, guest: endpoint, guestName: guestName, showsClients: showsClients)
  }

  private static func hostEndpoint(_ text: String) throws(ForwardFailure) -> Endpoint {
    guard let endpoint = Endpoint(text) else {
      throw .invalid("\(text) is not an address and port, as 127.0.0.1:8080 or [::1]:8080")
    }
    return endpoint
  }
}
