// SPDX-License-Identifier: Apache-2.0
//
// DNSClient: sends the questions of `dns query` to a network of the daemon, or directly to a server.

import DNSMessage
import Daemon
import Platform

/// An answer and its origin.
struct DNSReply {
  var message: DNSMessage
  var octets: Int
  var milliseconds: Double
  /// A plugin's name, "names", "cache", or nil.
  var source: String?
  /// The network's plugin: "hostdns 0.1.0".
  var plugin: String?
  /// Exactly one of the two is set.
  var network: String?
  var server: String?

  init(
    _ bytes: [UInt8], milliseconds: Double, source: String? = nil, plugin: String? = nil,
    network: String? = nil, server: String? = nil
  ) throws {
    guard let message = try? DNSMessage(parsing: bytes) else {
      throw CommandFailure(
        "The answer is no DNS message (\(Plural.text(bytes.count, "byte")))",
        remedy: network == nil
          ? "Is it a DNS server?"
          : "The DNS plugin is at fault:  lima-netd network inspect \(network ?? "")")
    }
    self.message = message
    octets = bytes.count
    self.milliseconds = milliseconds
    self.source = source
    self.plugin = plugin
    self.network = network
    self.server = server
  }
}

protocol DNSClient {
  func ask(_ question: DNSLookup) throws -> DNSReply
}

struct NetworkAsker: DNSClient {
  let client: ControlClient
  let network: String

  func ask(_ question: DNSLookup) throws -> DNSReply {
    let answer = try client.resolve(question, network: network)
    return try DNSReply(
      answer.bytes, milliseconds: answer.milliseconds, source: answer.source,
      plugin: try? client.dnsPlugin(of: network), network: network)
  }
}

struct DNSServerAsker: DNSClient {
  let server: SocketEndpoint

  func ask(_ question: DNSLookup) throws -> DNSReply {
    let query: DNSMessage
    do { query = try question.query(id: UInt16.random(in: .min ... .max)) } catch {
      throw CommandFailure("\(error)")
    }
    let began = MonotonicClock.now()
    let exchange = DNSServerExchange(server: server, query: query)
    let bytes = try question.transport == "tcp" ? exchange.overTCP() : exchange.overUDP()
    let milliseconds = Double(MonotonicClock.now() &- began) / 1_000_000
    return try DNSReply(bytes, milliseconds: milliseconds, server: server.description)
  }
}
