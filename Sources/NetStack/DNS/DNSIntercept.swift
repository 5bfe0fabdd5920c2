// SPDX-License-Identifier: Apache-2.0
//
// DNS queries to the network's DNS address (RFC 1035 §4.2, RFC 7766): the stack passes them to a resolver.
//
//   UDP  payload ──► resolver ──► datagram back
//   TCP  the guest's connection is an ordinary flow of TCPEngine, whose socket is one end of
//        a socket pair; a DNSStream (DNSStream.swift) frames messages at the other end
//
// Bounded: pending queries and streams, shared by all guests (ShareTable), and the queries of each stream. A guest
// with more pending queries than its share still gets answers that are known at once: names of the network, and
// cached ones. Its other queries get SERVFAIL at once; its oldest query is not evicted, because above the share none
// would live until its answer comes. An idle stream is closed for a new one: the guest's own at its bound, one of the
// guest with the most when there are too many in total. Loop thread only.

import LibC
import Wire

/// Counted since the stack was created.
package struct DNSInterceptCounters: BitwiseCopyable, Sendable {
  package var datagrams: UInt64 = 0
  package var streams: UInt64 = 0
  package var streamMessages: UInt64 = 0
  package var answers: UInt64 = 0
  /// Queries without an answer: too many pending, or not a query.
  package var dropped: UInt64 = 0

  package init() {}
}

/// Passes guests' queries to the network's DNS.
public final class DNSIntercept {
  /// Maximum queries that wait for the DNS plugin, and that are answered at once in one iteration.
  private static let maximumQuestions = 2048
  private static let maximumAnsweredAtOnce = 6144
  static let maximumStreams = 256
  private static let maximumStreamsPerGuest = 32
  /// Minimum length of a DNS message: a header.
  static let shortestMessage = 12
  /// RCODE (RFC 1035 §4.1.1).
  private static let serverFailure: UInt8 = 2

  let stack: StackCore
  /// Nil: no DNS; the port is closed.
  public var resolver: (any DNSResolver)?

  private var questions: [OperationID: Question] = [:]
  /// Pending queries; the others are answered in this iteration, or not at all.
  private var waiting = 0
  private var streams: [UInt32: DNSStream] = [:]
  private var nextStream: UInt32 = 1
  package private(set) var counters = DNSInterceptCounters()
  /// Number of pending queries.
  package var pending: Int { questions.count }

  /// The origin of a query.
  private struct Question {
    var link: UInt32
    var share: UInt32
    var mayWait: Bool
    var asker: Asker
  }

  private enum Asker {
    case datagram(guest: Endpoint, server: Endpoint, mac: MACAddress)
    case stream(UInt32)
  }

  init(stack: StackCore) { self.stack = stack }

  // MARK: UDP

  /// A query from a guest; borrowed.
  func datagram(_ payload: ByteView, from port: UInt16, of packet: InboundPacket) {
    guard let resolver else {
      stack.sendICMPError(about: packet, .port)
      return
    }
    counters.datagrams &+= 1
    let asker = Asker.datagram(
      guest: Endpoint(packet.source, port: port),
      server: Endpoint(packet.destination, port: 53),
      mac: packet.sourceMAC)
    let share = stack.shares.of(packet.link, packet.sourceMAC)
    _ = ask(payload, resolver, transport: .udp, link: packet.link, share, asker)
  }

  private func ask(
    _ message: ByteView, _ resolver: any DNSResolver, transport: QuestionTransport, link: UInt32,
    _ share: UInt32,
    _ asker: Asker
  ) -> Bool {
    guard message.count >= Self.shortestMessage, message.count <= 65535 else {
      counters.dropped &+= 1
      return false
    }
    let state = stack.shares.pointer(share)
    // Queries within the share may wait; beyond it only an immediate answer is requested.
    let mayWait = Int(state.pointee.questions) < Self.maximumQuestions &- waiting
    let hasRoom = mayWait || questions.count &- waiting < Self.maximumAnsweredAtOnce
    let op =
      hasRoom
      ? resolver.query(
        message, transport: transport, deadline: mayWait ? 0 : stack.now,
        by: questioner(asker, link)) : 0
    guard op != 0 else {
      counters.dropped &+= 1
      state.pointee.counters.questionsRefused &+= 1
      return false
    }
    questions[op] = Question(link: link, share: share, mayWait: mayWait, asker: asker)
    if mayWait {
      state.pointee.questions &+= 1
      waiting += 1
    }
    return true
  }

  private func questioner(_ asker: Asker, _ link: UInt32) -> Questioner {
    var found = Questioner(port: stack.links.pointer(link).pointee.port)
    switch asker {
    case .datagram(let guest, let server, let mac):
      found.client = guest
      found.server = server
      found.mac = mac
    case .stream(let id):
      guard let origin = streams[id]?.origin else { break }
      found.client = origin.guest
      found.server = origin.server
      found.mac = origin.mac
    }
    return found
  }

  private func end(_ op: OperationID) -> Question? {
    guard let question = questions.removeValue(forKey: op) else { return nil }
    if question.mayWait {
      stack.shares.pointer(question.share).pointee.questions &-= 1
      waiting -= 1
    }
    return question
  }

  /// A query's answer, or nil for none; false when the operation is not one of these.
  func complete(_ op: OperationID, _ answer: ByteView?) -> Bool {
    guard let question = end(op) else { return false }
    let answer = answer ?? .empty
    let isAnswer = answer.count >= Self.shortestMessage && answer.count <= 65535
    if !question.mayWait, !isAnswer || answer[3] & 0x0F == Self.serverFailure {
      stack.shares.pointer(question.share).pointee.counters.questionsRefused &+= 1
    }
    if isAnswer { counters.answers &+= 1 } else { counters.dropped &+= 1 }
    switch question.asker {
    case .datagram(let guest, let server, let mac):
      guard isAnswer, stack.links.isTaken(question.link) else { break }
      let place = stack.currentMAC(mac, of: guest.address, on: question.link)
      _ = stack.sendUDP(answer, from: server, to: guest, mac: place, on: question.link)
      // Flushes, because the answer is borrowed.
      stack.transmitter.flush()
    case .stream(let id):
      guard let stream = streams[id] else { break }
      stream.answered(isAnswer ? answer : nil) { askFromStream($0, id, stream) }
      if stream.isOver { close(id) }
    }
    return true
  }

  // MARK: TCP

  /// A guest connects to port 53 of the DNS address: returns the fd of a connected stream socket (one end of a pair),
  /// which TCP owns from then on; -1 refuses.
  func acceptStream(link: UInt32, share: UInt32, from origin: DNSStream.Origin? = nil) -> Int32 {
    guard resolver != nil, hasRoom(for: share) else { return -1 }
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutablePointer(to: &ends) { ends in
      ends.withMemoryRebound(to: Int32.self, capacity: 2) {
        stack.calls.socketPair(stack.calls.context, AF_UNIX, Int32(SOCK_STREAM.rawValue), $0)
      }
    }
    guard result >= 0 else { return -1 }
    let id = nextStream
    let token = EventToken(.dns, index: id, generation: 0)
    let watch = stack.host.watch(ends.0, events: .read, token: token)
    guard watch != 0 else {
      _ = stack.calls.close(stack.calls.context, ends.0)
      _ = stack.calls.close(stack.calls.context, ends.1)
      return -1
    }
    nextStream = nextStream == .max ? 1 : nextStream &+ 1
    counters.streams &+= 1
    streams[id] = DNSStream(
      stack: stack, fd: ends.0, watch: watch, link: link, share: share,
      timer: stack.timers.schedule(at: stack.now &+ DNSStream.idleTime, token: token.rawValue))
    streams[id]?.origin = origin
    stack.shares.pointer(share).pointee.streams &+= 1
    return ends.1
  }

  /// Whether a guest may have one more stream; closes an idle one if necessary.
  private func hasRoom(for share: UInt32) -> Bool {
    let own = stack.shares.pointer(share)
    let victim: UInt32
    if Int(own.pointee.streams) >= min(Self.maximumStreamsPerGuest, stack.descriptors.streams) {
      victim = share
    } else if streams.count >= stack.descriptors.streams {
      victim = stack.shares.busiest(preferring: share) { $0.pointee.streams }
    } else {
      return true
    }
    let idle = streams.filter {
      $0.value.share == victim && ($0.value.isIdle || $0.value.isDeparted)
    }
    guard let oldest = idle.min(by: { $0.value.lastUsed < $1.value.lastUsed }) else {
      own.pointee.counters.refused &+= 1
      return false
    }
    stack.shares.pointer(victim).pointee.counters.evicted &+= 1
    close(oldest.key)
    return true
  }

  func onEvent(_ token: EventToken, _ events: FDEvents) {
    let id = token.index
    guard let stream = streams[id] else { return }
    guard !stream.isDeparted else { return close(id) }
    stream.transfer(events) { askFromStream($0, id, stream) }
    if stream.isOver { close(id) }
  }

  private func askFromStream(_ message: ByteView, _ id: UInt32, _ stream: DNSStream) -> Bool {
    guard let resolver else { return false }
    counters.streamMessages &+= 1
    return ask(
      message, resolver, transport: .tcp, link: stream.link, stream.share, .stream(id))
  }

  func onTimer(_ token: EventToken) {
    guard let stream = streams[token.index] else { return }
    stream.timer = 0
    if stream.isDeparted || stream.deadline <= stack.now {
      close(token.index)
    } else {
      stream.timer = stack.timers.schedule(at: stream.deadline, token: token.rawValue)
    }
  }

  private func close(_ id: UInt32) {
    guard let stream = end(id), stream.outstanding > 0, !stream.isDeparted else { return }
    cancel { if case .stream(id) = $0.asker { true } else { false } }
  }

  /// Closes a stream; the caller handles its pending queries.
  @discardableResult
  private func end(_ id: UInt32) -> DNSStream? {
    guard let stream = streams.removeValue(forKey: id) else { return nil }
    stack.shares.pointer(stream.share).pointee.streams &-= 1
    stream.close()
    return stream
  }

  private func cancel(where isUnwanted: (Question) -> Bool) {
    for (op, question) in questions where isUnwanted(question) {
      resolver?.cancel(op)
      _ = end(op)
    }
  }

  func linkDown(_ link: UInt32, _ departure: inout Departure) {
    cancel { $0.link == link }
    for (id, stream) in streams where stream.link == link && !stream.isDeparted {
      if departure.endsNow() {
        end(id)
      } else {
        stream.isDeparted = true
        stack.timers.reschedule(stream.timer, at: stack.now &+ departure.delay())
      }
    }
  }

  /// Stations behind a link that stays up are gone. Their connections end with their TCP flows.
  func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {
    cancel {
      guard $0.link == link, case .datagram(_, _, let mac) = $0.asker else { return false }
      return stations.contains(mac)
    }
  }

  func shutDown() {
    cancel { _ in true }
    for id in Array(streams.keys) { end(id) }
  }
}
