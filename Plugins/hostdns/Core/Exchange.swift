// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import PluginAPI

/// One question on its way to the nameservers, and all who wait for its answer.
/// Loop thread; owned by `Forwarder`.
final class Exchange {
  let question: HostDNSQuestion
  let key: HostDNSQuestion.Key
  var waiters: [Waiter]
  /// The servers to ask, the most promising first; fixed for the exchange.
  let servers: [ServerAddress]
  /// The latest deadline of those who wait, nanoseconds.
  var deadline: UInt64
  /// Attempts begun, the current one included.
  var attempts = 0
  /// The current attempt's message has OPT. Given up for a server that does not
  /// understand it (RFC 6891 7).
  var usesEDNS = true
  /// The best of the answers that were not good enough: truncated, or a
  /// server's failure.
  var fallback: [UInt8]?
  var attempt: Attempt?
  /// In line for a TCP connection.
  var wantsStream = false

  init(_ waiter: Waiter, servers: [ServerAddress], deadline: UInt64) {
    question = waiter.question
    key = waiter.question.key
    waiters = [waiter]
    self.servers = servers
    self.deadline = deadline
  }

  /// The server of the current attempt.
  var server: ServerAddress? {
    servers.isEmpty || attempts == 0 ? nil : servers[(attempts - 1) % servers.count]
  }
}

/// One question to one server: on a UDP socket that others share, or on a TCP
/// connection of its own.
struct Attempt {
  /// The shared socket; nil: TCP.
  var socket: DatagramSocket?
  /// TCP: names this attempt in fd events, and its socket.
  var token: UInt64 = 0
  var fd: Int32 = -1
  var watch: lnd_handle = 0
  /// The random id of this attempt.
  let id: UInt16
  /// When it is over, nanoseconds.
  let until: UInt64
  /// TCP: what is still to be sent, and what came so far.
  var unsent: ArraySlice<UInt8> = []
  var received: [UInt8] = []

  var isStream: Bool { socket == nil }
}

/// A UDP socket connected to one server, for the questions that overlap in time.
/// Loop thread; owned by `Forwarder`.
final class DatagramSocket {
  /// Names it in fd events: never used twice.
  let token: UInt64
  let fd: Int32
  let server: ServerAddress
  var watch: lnd_handle = 0
  /// Who waits, by the id of the question; empty only before the first.
  var exchanges: [UInt16: Exchange] = [:]
  /// Questions sent.
  var asked = 0

  init(token: UInt64, fd: Int32, server: ServerAddress) {
    self.token = token
    self.fd = fd
    self.server = server
  }
}
