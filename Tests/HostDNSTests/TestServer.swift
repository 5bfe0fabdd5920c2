// SPDX-License-Identifier: Apache-2.0
//
// A nameserver on loopback, UDP and TCP on one port, that does what its test
// says: answer, lie, cut, keep silent.

import DNSMessage
import LibC
import Platform
import Testing

@testable import HostDNSCore

final class TestServer {
  /// Datagrams to send back for a query; the second parameter is the sender's port.
  typealias Answer = (_ query: DNSMessage, _ port: UInt16) -> [[UInt8]]

  let address: String
  private(set) var datagrams = 0
  private(set) var connections = 0
  private(set) var ports: [UInt16] = []
  private(set) var queries: [DNSMessage] = []
  private let host: TestHost
  private let udp: Int32
  private let tcp: Int32

  /// - Parameters:
  ///   - stream: what a TCP client gets, length octets included; nil: no TCP.
  init(
    _ host: TestHost, at place: (address: UInt32, port: UInt16) = (0x7F00_0001, 0),
    stream: ((DNSMessage) -> [UInt8])? = nil, answer: @escaping Answer
  ) throws {
    self.host = host
    (udp, tcp, address) = try Self.listen(stream != nil, place)
    host.serve(udp) { [unowned self] in while datagram(answer) {} }
    if let stream { host.serve(tcp) { [unowned self] in accept(stream) } }
  }

  /// A UDP and, if wanted, a TCP socket on one port of 127.0.0.1, or elsewhere.
  private static func listen(
    _ stream: Bool, _ place: (address: UInt32, port: UInt16) = (0x7F00_0001, 0)
  ) throws -> (Int32, Int32, String) {
    for _ in 0..<20 {
      let udp = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = place.address.bigEndian
      address.sin_port = place.port.bigEndian
      let bound = named(&address) { bind(udp, $0, $1) }
      var length = socklen_t(MemoryLayout<sockaddr_in>.size)
      withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(udp, $0, &length) }
      }
      try #require(bound == 0)
      let text = "\(DNSAddress.v4(place.address)):\(UInt16(bigEndian: address.sin_port))"
      if !stream { return (udp, -1, text) }
      let tcp = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      if named(&address, { bind(tcp, $0, $1) }) == 0, Glibc.listen(tcp, 16) == 0 {
        return (udp, tcp, text)
      }
      close(udp)
      close(tcp)
    }
    throw SystemError("bind", .addressInUse)
  }

  private static func named(
    _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// Takes a datagram; false when there is none.
  private func datagram(_ answer: Answer) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var from = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let count = withUnsafeMutablePointer(to: &from) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        recvfrom(udp, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &length)
      }
    }
    guard count > 0, let query = try? DNSMessage(parsing: Array(buffer[..<count])) else {
      return false
    }
    datagrams += 1
    let port = UInt16(bigEndian: from.sin_port)
    ports.append(port)
    queries.append(query)
    for bytes in answer(query, port) {
      _ = Self.named(&from) { Int32(sendto(udp, bytes, bytes.count, 0, $0, $1)) }
    }
    return true
  }

  private func accept(_ stream: @escaping (DNSMessage) -> [UInt8]) {
    let client = Glibc.accept(tcp, nil, nil)
    guard client >= 0 else { return }
    connections += 1
    var received: [UInt8] = []
    host.serve(client) { [unowned self] in
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = recv(client, &buffer, buffer.count, 0)
      guard count > 0 else { return host.endService(client) }
      received += buffer[..<count]
      guard received.count > 2, received.count >= 2 + Int(received[0]) << 8 + Int(received[1]),
        let query = try? DNSMessage(parsing: Array(received[2...]))
      else { return }
      let bytes = stream(query)
      _ = Glibc.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
      if bytes.isEmpty { host.endService(client) }
    }
  }

  /// Sends datagrams to a client of 127.0.0.1, later than its question.
  func send(_ datagrams: [[UInt8]], to port: UInt16) {
    var client = sockaddr_in()
    client.sin_family = sa_family_t(AF_INET)
    client.sin_port = port.bigEndian
    client.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    for bytes in datagrams {
      _ = Self.named(&client) { Int32(sendto(udp, bytes, bytes.count, 0, $0, $1)) }
    }
  }

  var serverAddress: ServerAddress {
    get throws { try #require(ServerAddress(address)) }
  }

  /// Nothing listens there: a bound and closed port refuses.
  static func deadAddress() throws -> String {
    let (udp, _, address) = try listen(false)
    close(udp)
    return address
  }
}

/// What a well-behaved server says.
func reply(
  _ query: DNSMessage, _ code: DNSResponseCode = .noError, _ data: [DNSRecordData] = [],
  change: (inout DNSMessage) -> Void = { _ in }
) -> [UInt8] {
  var header = query.header.reply(code)
  header.recursionAvailable = true
  var message = DNSMessage(
    header: header, questions: query.questions,
    answers: data.map { DNSRecord(name: query.questions[0].name, ttl: 300, data: $0) },
    edns: query.edns)
  change(&message)
  return message.encoded()
}

/// With the two octets of length in front.
func framed(_ message: [UInt8]) -> [UInt8] {
  [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
}
