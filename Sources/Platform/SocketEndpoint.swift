// SPDX-License-Identifier: Apache-2.0
//
// SocketEndpoint: a numeric address and port in the notation of users, and sockets connected to it. Also sends and
// receives whole arrays, for commands; not for the data path.

import LibC

/// "127.0.0.1:5300", "[::1]:53", "192.168.5.3", "fe80::1%eth0".
package struct SocketEndpoint: Sendable, CustomStringConvertible {
  /// With the port.
  package let description: String
  package let port: UInt16
  private let family: Int32
  /// A sockaddr_in or sockaddr_in6.
  private let bytes: [UInt8]

  /// - Parameter defaultPort: used when `text` has no port.
  package init?(_ text: String, defaultPort: UInt16) {
    var host = Substring(text)
    var port = String(defaultPort)
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      let rest = text[text.index(after: end)...]
      if !rest.isEmpty {
        guard rest.hasPrefix(":") else { return nil }
        port = String(rest.dropFirst())
      }
    } else if let colon = text.firstIndex(of: ":"), colon == text.lastIndex(of: ":") {
      host = text[..<colon]
      port = String(text[text.index(after: colon)...])
    }
    guard let number = UInt16(port), number > 0, !host.isEmpty else { return nil }
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(String(host), String(number), &hints, &list) == 0, let list else {
      return nil
    }
    defer { freeaddrinfo(list) }
    guard let address = list.pointee.ai_addr else { return nil }
    family = list.pointee.ai_family
    bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(list.pointee.ai_addrlen)))
    self.port = number
    description = host.contains(":") ? "[\(host)]:\(number)" : "\(host):\(number)"
  }

  /// A non-blocking socket that is connected, or connecting, to it.
  /// - Parameter type: `Sockets.stream` or `.datagram`.
  package func connect(_ type: Int32) throws(SystemError) -> Int32 {
    let fd = Int32(try check("socket", Sockets.socket(family, type, 0)))
    let code = bytes.withUnsafeBytes { raw in
      // The array holds a whole sockaddr of its family.
      raw.baseAddress.map {
        Sockets.connect(fd, $0.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
      } ?? -Int(EINVAL)
    }
    guard code == 0 || code == -Int(EINPROGRESS) else {
      Descriptor.close(fd)
      throw SystemError("connect", Errno(Int32(truncatingIfNeeded: -code)), subject: description)
    }
    return fd
  }
}

extension Sockets {
  /// - Returns: how many bytes the socket took; 0: it is full.
  package static func sendSome(_ fd: Int32, _ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int {
    let sent = bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) }
    if sent == -Int(EAGAIN) { return 0 }
    guard sent >= 0 else { throw SystemError("send", Errno(Int32(truncatingIfNeeded: -sent))) }
    return sent
  }

  /// - Returns: a datagram, or the available bytes of a stream, empty at its end; nil: it would block.
  package static func receiveSome(_ fd: Int32) throws(SystemError) -> [UInt8]? {
    var code = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
      code = recv(fd, buffer.baseAddress, buffer.count, 0)
      count = max(0, code)
    }
    if code == -Int(EAGAIN) { return nil }
    guard code >= 0 else { throw SystemError("recv", Errno(Int32(truncatingIfNeeded: -code))) }
    return bytes
  }
}
