// SPDX-License-Identifier: Apache-2.0
//
// A forward as somebody wrote it, made into what the network's process is told.

import HostProtocol
import Platform

extension Forward {
  /// With both addresses as they are listed, however they were written: an address has many spellings (an IPv4 address in
  /// IPv6's is that address), and two of one port are the same forward. What is no address stays as it is; the plugin says
  /// what is wrong with it.
  var canonical: Forward {
    var result = self
    if self.protocol != ForwardSpec.Transport.unix.rawValue { result.host = Self.canonical(host) }
    result.guest = guest.map(Self.canonical)
    return result
  }

  /// All addresses of the host's, of both families, as `ss` and `netstat` write it.
  static let everywhere = "*"

  private static func canonical(_ endpoint: String) -> String {
    guard let colon = endpoint.lastIndex(of: ":"),
      let port = UInt16(endpoint[endpoint.index(after: colon)...])
    else { return endpoint }
    var text = endpoint[..<colon]
    if text == everywhere { return "\(everywhere):\(port)" }
    let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
    if isBracketed { text = text.dropFirst().dropLast() }
    guard text.contains(":") == isBracketed, let address = ForwardIP(String(text)) else {
      return endpoint
    }
    return address.with(port: Int(port))
  }

  /// Without what only answers have.
  var asKept: Forward {
    Forward(protocol: self.protocol, host: host, guest: guest, guestName: guestName, source: source)
  }

  /// The same listening address.
  func isSame(as other: Forward) -> Bool {
    self.protocol == other.protocol && host == other.host
  }

  /// To the same end, in the same way.
  func leads(as other: Forward) -> Bool {
    guest == other.guest && guestName == other.guestName && source == other.source
  }

  /// "127.0.0.1:" of "127.0.0.1:0"; nil for other ports.
  var addressOfPortZero: String? {
    guard self.protocol != ForwardSpec.Transport.unix.rawValue, let colon = host.lastIndex(of: ":")
    else { return nil }
    let port = host[host.index(after: colon)...]
    return !port.isEmpty && port.allSatisfy { $0 == "0" } ? String(host[...colon]) : nil
  }

  func spec(needsGuest: Bool) throws(ErrorReport) -> ForwardSpec {
    func wrong(_ text: String) -> ErrorReport {
      ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
    }
    guard let transport = ForwardSpec.Transport(rawValue: self.protocol) else {
      throw wrong("`\(self.protocol)` cannot be forwarded: there are tcp, udp and unix")
    }
    guard !host.isEmpty, host.utf8.count < 256 else {
      throw wrong("a forward needs the host's address")
    }
    for text in [host, guest ?? "", guestName] where text.utf8.contains(0) {
      throw wrong("`\(text.filter { $0 != "\0" })` has a NUL in it: no path, address or name has")
    }
    if transport == .unix, !host.hasPrefix("/") {
      throw wrong("`\(host)` is no absolute path: a unix forward needs one")
    }
    if needsGuest, guest?.isEmpty ?? true {
      throw wrong("a forward needs the guest's address, as 192.168.5.15:80")
    }
    var from: ForwardSpec.Source?
    if let source {
      from = ForwardSpec.Source(rawValue: source)
      guard from != nil else {
        throw wrong("`\(source)` is no source of a forward: there are client and gateway")
      }
    }
    return ForwardSpec(
      protocol: transport, host: host, guest: guest,
      guestName: guestName.isEmpty ? nil : guestName, source: from)
  }
}
