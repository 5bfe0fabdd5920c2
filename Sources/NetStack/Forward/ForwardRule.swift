// SPDX-License-Identifier: Apache-2.0
//
// A forward as the user specifies it, and the reasons why it may fail. Each reason is a sentence with which the user
// can act; no other file of this folder makes texts.

import LibC
import Platform
import Wire

/// What listens on the host.
public enum ForwardKind: Equatable, Sendable {
  case tcp(Endpoint)
  case udp(Endpoint)
  /// A port on all addresses of both families, with one socket (RFC 3493 §3.7).
  case tcpOnAll(UInt16)
  case udpOnAll(UInt16)
  /// A unix stream socket at a path; TCP in the guest.
  case unix(String)

  /// "tcp", "udp", "unix"
  public var name: String {
    switch self {
    case .tcp, .tcpOnAll: "tcp"
    case .udp, .udpOnAll: "udp"
    case .unix: "unix"
    }
  }

  /// "127.0.0.1:8080", "*:8080" or a path.
  public var host: String {
    switch self {
    case .tcp(let endpoint), .udp(let endpoint): endpoint.description
    case .tcpOnAll(let port), .udpOnAll(let port): "*:\(port)"
    case .unix(let path): path
    }
  }

  /// Clients send datagrams.
  var isUDP: Bool {
    switch self {
    case .udp, .udpOnAll: true
    case .tcp, .tcpOnAll, .unix: false
    }
  }

  /// The same with the port that the kernel chose.
  func with(port: UInt16) -> ForwardKind {
    switch self {
    case .tcp(let endpoint): .tcp(Endpoint(endpoint.address, port: port))
    case .udp(let endpoint): .udp(Endpoint(endpoint.address, port: port))
    case .tcpOnAll: .tcpOnAll(port)
    case .udpOnAll: .udpOnAll(port)
    case .unix: self
    }
  }
}

/// A socket of the host that leads to a guest.
public struct ForwardRule: Equatable, Sendable {
  public var kind: ForwardKind
  public var guest: Endpoint
  /// Which guest of an isolated network; "": the first one.
  public var guestName: String
  /// Whether the guest sees clients under their own addresses; nil: the network's option.
  public var showsClients: Bool?

  public init(
    kind: ForwardKind, guest: Endpoint, guestName: String = "", showsClients: Bool? = nil
  ) {
    self.kind = kind
    self.guest = guest
    self.guestName = guestName
    self.showsClients = showsClients
  }
}

/// Why a forward failed.
public struct ForwardFailure: Error, Equatable, Sendable {
  public enum Reason: Sendable {
    /// Texts or addresses that are not usable.
    case invalid
    /// The name, address or port is in use.
    case exists
    case notFound
    /// A limit of the network, or of the process.
    case limit
    /// A system call failed.
    case system
    /// The guest refused the connection.
    case refused
    case timedOut
    case cancelled
  }

  public var reason: Reason
  /// A sentence for the user.
  public var text: String

  public init(_ reason: Reason, text: String) {
    self.reason = reason
    self.text = text
  }
}

/// What a forward carries.
public enum ForwardedProtocol: Sendable {
  case tcp, udp
  /// A unix stream socket on the host, TCP in the guest.
  case unix
}

extension ForwardFailure {
  static func invalid(_ text: String) -> ForwardFailure {
    ForwardFailure(.invalid, text: text)
  }

  /// The user's text for a failed bind or listen.
  /// - Parameter detail: further information.
  static func binding(
    _ code: Int32, _ kind: ForwardKind, detail: String? = nil
  ) -> ForwardFailure {
    let host = kind.host
    switch code {
    case EMFILE, ENFILE:
      return ForwardFailure(
        .limit, text: "\(host): too many open files: \(DescriptorBudget.remedy)")
    default: break
    }
    switch kind {
    case .unix(let path): return unix(UnixSocket.refusal(of: path, code, detail: detail))
    case .tcp(let endpoint), .udp(let endpoint):
      return binding(code, host, port: endpoint.port, detail)
    case .tcpOnAll(let port), .udpOnAll(let port):
      return binding(code, host, port: port, detail)
    }
  }

  private static func unix(_ refusal: UnixSocket.Refusal) -> ForwardFailure {
    switch refusal.kind {
    case .taken: ForwardFailure(.exists, text: refusal.text)
    case .invalid: .invalid(refusal.text)
    case .system: ForwardFailure(.system, text: refusal.text)
    }
  }

  private static func binding(
    _ code: Int32, _ host: String, port: UInt16, _ detail: String?
  ) -> ForwardFailure {
    switch code {
    case EADDRINUSE:
      return ForwardFailure(.exists, text: "\(host) is in use")
    case EACCES, EPERM:
      return ForwardFailure(
        .system,
        text: "\(host): ports below net.ipv4.ip_unprivileged_port_start (1024 unless changed) "
          + "need privilege; use a higher one, or allow it: "
          + "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=\(port)")
    case EADDRNOTAVAIL:
      // A temporary failure: the address may be added later, by a VPN or a cable.
      return ForwardFailure(
        .system, text: "\(host) is not an address of this host")
    case EAFNOSUPPORT:
      return .invalid("\(host): this host has no IPv6")
    default:
      return ForwardFailure(
        .system, text: "\(host): \(detail ?? errorText(code))")
    }
  }
}

extension ForwardRule {
  /// Reads the texts of a forward.
  /// - Parameter guest: nil when only the host's side is parsed.
  public init(
    proto: ForwardedProtocol, host: String, guest: String?, guestName: String,
    showsClients: Bool? = nil
  ) throws(ForwardFailure) {
    let kind: ForwardKind
    switch proto {
    case .tcp:
      if let port = try Self.portOnAll(host) {
        kind = .tcpOnAll(port)
      } else {
        kind = .tcp(try Self.hostEndpoint(host))
      }
    case .udp:
      if let port = try Self.portOnAll(host) {
        kind = .udpOnAll(port)
      } else {
        kind = .udp(try Self.hostEndpoint(host))
      }
    case .unix:
      guard host.hasPrefix("/") else {
        throw .invalid("\(host): the path of a unix socket must be absolute")
      }
      guard !host.utf8.contains(0) else {
        throw .invalid("\(host): the path of a unix socket has no NUL in it")
      }
      kind = .unix(host)
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

  /// The port of "*:8080"; nil: the text does not begin so.
  private static func portOnAll(_ text: String) throws(ForwardFailure) -> UInt16? {
    guard text.hasPrefix("*:") else { return nil }
    let digits = text.dropFirst(2)
    guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
      throw .invalid("`\(digits)` is not a port, as 8080")
    }
    return port
  }

  private static func hostEndpoint(_ text: String) throws(ForwardFailure) -> Endpoint {
    guard let endpoint = Endpoint(text) else {
      throw .invalid("\(text) is not an address and port, as 127.0.0.1:8080, [::1]:8080 or *:8080")
    }
    if !endpoint.address.isV4, endpoint.address.isLinkLocal {
      throw .invalid(
        "\(endpoint.address) is a link-local address, which each interface has its own of: a forward listens at another "
          + "address of the host's, or at all, as *:\(endpoint.port)")
    }
    return endpoint
  }
}
