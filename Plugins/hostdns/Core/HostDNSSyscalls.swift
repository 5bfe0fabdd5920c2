// SPDX-License-Identifier: Apache-2.0
//
// The system calls of the forwarder: sockets connected to a nameserver, and the state of resolv.conf. Non-blocking
// except for reading a small file.

import LibC
import DNSMessage
import Platform

enum HostDNSSyscalls {
  /// A non-blocking socket connected (TCP: connecting) to `server`, or -errno.
  ///
  /// The kernel assigns a random local port to each, and delivers only datagrams from the server's address and port
  /// (RFC 5452 9.2). For a TCP socket -EINPROGRESS is success.
  static func connect(to server: ServerAddress, stream: Bool) -> Int {
    let isV4 = if case .v4 = server.address { true } else { false }
    let family = isV4 ? AF_INET : AF_INET6
    let type = stream ? Sockets.stream : Sockets.datagram
    let fd = Sockets.socket(Int32(family), type, 0)
    guard fd >= 0 else { return fd }
    let result = withSocketAddress(of: server) { Sockets.connect(Int32(fd), $0, $1) }
    guard result == 0 || (stream && result == Int(-EINPROGRESS)) else {
      Descriptor.close(Int32(fd))
      return result
    }
    return fd
  }

  private static func withSocketAddress(
    of server: ServerAddress, _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Int
  ) -> Int {
    switch server.address {
    case .v4(let value):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = server.port.bigEndian
      address.sin_addr.s_addr = value.bigEndian
      return rebound(&address, body)
    case .v6:
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = server.port.bigEndian
      withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: server.address.octets) }
      address.sin6_scope_id = UInt32(server.zone) ?? if_nametoindex(server.zone)
      return rebound(&address, body)
    }
  }

  private static func rebound<Address>(
    _ address: inout Address, _ body: (UnsafePointer<sockaddr>?, socklen_t) -> Int
  ) -> Int {
    withUnsafeBytes(of: &address) {
      body(
        $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        socklen_t(MemoryLayout<Address>.size))
    }
  }

  /// Bytes sent, or -errno.
  static func send(_ fd: Int32, _ bytes: ArraySlice<UInt8>) -> Int {
    bytes.withUnsafeBytes { Sockets.send(fd, $0.baseAddress, $0.count, 0) }
  }

  /// A datagram or a part of a stream, at most `limit` bytes; on failure the bytes are empty and `error` is the
  /// errno. At the end of a stream the bytes are empty and `error` is 0.
  static func receive(_ fd: Int32, limit: Int) -> (bytes: [UInt8], error: Int32) {
    var result = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, used in
      result = Sockets.recv(fd, buffer.baseAddress, limit, 0)
      used = max(result, 0)
    }
    return (bytes, result < 0 ? Int32(truncatingIfNeeded: -result) : 0)
  }

  static func isWouldBlock(_ error: Int32) -> Bool {
    error == EAGAIN || error == EWOULDBLOCK
  }

  /// No descriptor is free: wait for one instead of trying the next server.
  static func isOutOfDescriptors(_ result: Int) -> Bool {
    result == Int(-EMFILE) || result == Int(-ENFILE)
  }

  /// The host's current name (gethostname(2)); nil when it has none.
  static var hostName: String? {
    let bytes = [UInt8](unsafeUninitializedCapacity: 256) { buffer, used in
      used = 0
      buffer.withMemoryRebound(to: CChar.self) { text in
        guard let base = text.baseAddress, gethostname(base, 255) == 0 else { return }
        text[255] = 0
        used = strlen(base)
      }
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  /// The first `limit` bytes of a file; empty when it cannot be read.
  static func read(_ path: String, limit: Int) -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { return [] }
    defer { Descriptor.close(fd) }
    return [UInt8](unsafeUninitializedCapacity: limit) { buffer, used in
      while used < limit, let base = buffer.baseAddress {
        let count = readOnce(fd, base + used, limit - used)
        if count > 0 {
          used += count
        } else if count == 0 || errno != EINTR {
          return
        }
      }
    }
  }
}

/// read(2) under another name, because a member has that name.
private func readOnce(_ fd: Int32, _ buffer: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
  read(fd, buffer, count)
}
