// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import PluginAPI

/// One query to the nameservers, and all operations that wait for its answer. Loop thread; owned by `Forwarder`.
final class Exchange {
  let question: HostDNSQuestion
  let key: HostDNSQuestion.Key
  /// The share to which its connections are charged.
  let share: DNSName
  var waiters: [Waiter]
  /// The servers, in the order in which they are tried, and the options.
  var plan: ForwardPlan
  /// The latest deadline of the waiting operations, nanoseconds.
  var deadline: UInt64
  /// Number of attempts begun; determines the next server.
  var begun = 0
  /// Attempts that may still be answered, the newest last. A later attempt does not end an earlier one: a server may
  /// always need longer than the interval after which the next is tried.
  var attempts: [Attempt] = []
  /// When it must be handled next.
  var nextAt = UInt64.max
  /// Servers that do not support OPT (RFC 6891 7).
  var withoutEDNS: [ServerAddress] = []
  /// The best of the insufficient answers: truncated, or a server's failure.
  var fallback: [UInt8]?
  /// The last network error for a server.
  var trouble: ServerTrouble?
  /// Waits for a TCP connection to this server.
  var wantsStream: ServerAddress?
  var isInLine = false

  init(_ waiter: Waiter, plan: ForwardPlan, deadline: UInt64) {
    question = waiter.question
    key = waiter.question.key
    share = waiter.question.question.name.share
    waiters = [waiter]
    self.plan = plan
    self.deadline = deadline
  }

  /// The message of an attempt.
  func message(id: UInt16, to server: ServerAddress) -> [UInt8] {
    question.upstream(id: id, usesEDNS(with: server))
  }

  /// The reason when there is no answer.
  var reason: DNSExtendedError { trouble?.reason ?? .noServerAnswered }

  private func usesEDNS(with server: ServerAddress) -> HostDNSQuestion.EDNSUse {
    if withoutEDNS.contains(server) { return .never }
    return plan.usesEDNS ? .always : .asClient
  }

  /// Whether a server's error may be due to OPT.
  func sendsEDNS(to server: ServerAddress) -> Bool {
    (question.edns != nil || plan.usesEDNS) && !withoutEDNS.contains(server)
  }
}

/// One query to one server: on a shared UDP socket, or on a TCP connection of its own.
final class Attempt {
  let server: ServerAddress
  /// The random id of this attempt.
  let id: UInt16
  /// When the next attempt is made, nanoseconds. This one may still be answered.
  var until: UInt64 = 0
  /// The shared socket; nil: TCP.
  let socket: DatagramSocket?
  /// TCP: identifies this attempt in fd events, and its socket.
  let token: UInt64
  let fd: Int32
  var watch: lnd_handle = 0
  /// TCP: the octets still to be sent, and those received so far.
  var unsent: ArraySlice<UInt8> = []
  var received: [UInt8] = []

  init(_ server: ServerAddress, id: UInt16, socket: DatagramSocket) {
    self.server = server
    self.id = id
    self.socket = socket
    token = 0
    fd = -1
  }

  init(_ server: ServerAddress, id: UInt16, token: UInt64, fd: Int32) {
    self.server = server
    self.id = id
    self.token = token
    self.fd = fd
    socket = nil
  }

  var isStream: Bool { socket == nil }
}

/// A UDP socket connected to one server, for queries that overlap in time. Loop thread; owned by `Forwarder`.
final class DatagramSocket {
  /// Identifies it in fd events; never reused.
  let token: UInt64
  let fd: Int32
  let server: ServerAddress
  var watch: lnd_handle = 0
  /// Waiting attempts by the id of the query; empty only before the first.
  var pending: [UInt16: (exchange: Exchange, attempt: Attempt)] = [:]
  /// Queries sent.
  var asked = 0

  init(token: UInt64, fd: Int32, server: ServerAddress) {
    self.token = token
    self.fd = fd
    self.server = server
  }
}
