// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import PluginAPI

/// One question on its way to the nameservers, and all who wait for its answer.
/// Loop thread; owned by `Forwarder`.
final class Exchange {
  let question: HostDNSQuestion
  let key: HostDNSQuestion.Key
  /// Whose share of the connections it takes.
  let share: DNSName
  var waiters: [Waiter]
  /// The servers to ask, the most promising first, and how.
  var plan: ForwardPlan
  /// The latest deadline of those who wait, nanoseconds.
  var deadline: UInt64
  /// Attempts begun: which server is next.
  var begun = 0
  /// Those that may still be answered, the newest at the end. An earlier one is not given up for a
  /// later one: a server may need longer for each answer than it has before the next is asked.
  var attempts: [Attempt] = []
  /// When there is something to do for it.
  var nextAt = UInt64.max
  /// Servers that do not understand OPT (RFC 6891 7).
  var withoutEDNS: [ServerAddress] = []
  /// The best of the answers that were not good enough: truncated, or a
  /// server's failure.
  var fallback: [UInt8]?
  /// What the network last said about a server.
  var trouble: ServerTrouble?
  /// In line for a TCP connection to this server.
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

  /// Why nobody has answered.
  var reason: DNSExtendedError { trouble?.reason ?? .noServerAnswered }

  private func usesEDNS(with server: ServerAddress) -> HostDNSQuestion.EDNSUse {
    if withoutEDNS.contains(server) { return .never }
    return plan.usesEDNS ? .always : .asClient
  }

  /// Whether a server's complaint may be about OPT.
  func sendsEDNS(to server: ServerAddress) -> Bool {
    (question.edns != nil || plan.usesEDNS) && !withoutEDNS.contains(server)
  }
}

/// One question to one server: on a UDP socket that others share, or on a TCP
/// connection of its own.
final class Attempt {
  let server: ServerAddress
  /// The random id of this attempt.
  let id: UInt16
  /// When another one is made, nanoseconds. It may still be answered.
  var until: UInt64 = 0
  /// The shared socket; nil: TCP.
  let socket: DatagramSocket?
  /// TCP: names this attempt in fd events, and its socket.
  let token: UInt64
  let fd: Int32
  var watch: lnd_handle = 0
  /// TCP: what is still to be sent, and what came so far.
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

/// A UDP socket connected to one server, for the questions that overlap in time.
/// Loop thread; owned by `Forwarder`.
final class DatagramSocket {
  /// Names it in fd events: never used twice.
  let token: UInt64
  let fd: Int32
  let server: ServerAddress
  var watch: lnd_handle = 0
  /// Who waits, by the id of the question; empty only before the first.
  var pending: [UInt16: (exchange: Exchange, attempt: Attempt)] = [:]
  /// Questions sent.
  var asked = 0

  init(token: UInt64, fd: Int32, server: ServerAddress) {
    self.token = token
    self.fd = fd
    self.server = server
  }
}
