// SPDX-License-Identifier: Apache-2.0
//
// DNSServer: queries from sockets of the host, for a DNS plugin that serves without a network: one UDP and one TCP
// socket, bound by the process that started this one. The broker behind `ask` does checks, deadlines, truncation and
// caching, as for a network's guests.
//
// Bounded: 256 connections (the longest idle is closed for a new one), 128 questions and 256 KiB of answers each, 10
// s for a client that sends no question or does not read. RFC 7766. Thread: loop only.

import LibC
import HostProtocol
import Platform
import PluginAPI

final class DNSServer {
  static let maximumConnections = 256
  /// Nanoseconds (RFC 7766 6.2.3).
  static let idleTime: UInt64 = 10_000_000_000
  private static let sweepInterval: UInt64 = 1_000_000_000
  /// Batches of datagrams read in one iteration: more than a socket buffer of the usual size holds, so that a burst
  /// is queued in the broker, which bounds it, and not dropped by the kernel.
  private static let batchesPerTurn = 32

  private enum Asker {
    case datagram(DNSPeer)
    case connection(UInt64)
  }

  // The ids passed to `ready`.
  private static let datagramsID: UInt64 = 1
  private static let listenerID: UInt64 = 2

  /// Passes a client's message (with the client's number) to the broker; nil when too many questions are pending. With
  /// true it is answered SERVFAIL, and nobody is asked.
  var ask: ([UInt8], DNSTransport, UInt64, Bool) -> lnd_op? = { _, _, _, _ in nil }
  /// Cancels a question.
  var forget: (lnd_op) -> Void = { _ in }

  /// Questions by UDP that are under way, for the process after this one. By TCP a client's connection ends with the
  /// process, and it asks again.
  private let journal: QuestionJournal?
  private let reactor: Reactor
  private let datagrams: DNSDatagrams
  private let listener: Int32
  private var datagramsWatch: UInt64 = 0
  private var listenerWatch: UInt64 = 0
  private var listenerPaused = false
  private var askers: [lnd_op: Asker] = [:]
  private var connections: [UInt64: DNSConnection] = [:]
  /// Connections to be handled at the end of the iteration.
  private var touched: Set<UInt64> = []
  private var lastID: UInt64 = 2
  private var sweeping = false
  private var isOpen = true

  private var counters: [String: UInt64] = ["connections": 0, "refused": 0, "idle": 0]

  /// Takes ownership of both sockets: bound, the stream one listening.
  /// - Parameter journal: of the processes that serve these sockets, one after the other.
  init(
    udp: Int32, tcp: Int32, journal: QuestionJournal? = nil, reactor: Reactor
  ) throws(HostError) {
    self.journal = journal
    self.reactor = reactor
    datagrams = DNSDatagrams(fd: udp)
    listener = tcp
    _ = Sockets.setOption(udp, SOL_SOCKET, SO_RCVBUF, 1 << 20)
    _ = Sockets.setOption(udp, SOL_SOCKET, SO_SNDBUF, 1 << 20)
    do throws(SystemError) {
      for fd in [udp, tcp] { try Descriptor.setNonBlocking(fd) }
      datagramsWatch = try watch(udp, Self.datagramsID)
      listenerWatch = try watch(tcp, Self.listenerID)
    } catch {
      close()
      throw HostError(.system, "the sockets: \(error)")
    }
  }

  private func watch(_ fd: Int32, _ id: UInt64) throws(SystemError) -> UInt64 {
    switch reactor.watch(fd, .read, .dns, user: id) {
    case .success(let token): return token
    case .failure(let errno): throw SystemError("epoll_ctl", errno)
    }
  }

  /// Closes all connections and both sockets. Idempotent.
  func close() {
    guard isOpen else { return }
    isOpen = false
    journal?.forgetAll()
    for connection in connections.values { drop(connection) }
    reactor.unwatch(datagramsWatch, object: nil)
    reactor.unwatch(listenerWatch, object: nil)
    Descriptor.close(listener)
  }

  /// Counters, for `status`.
  var status: [String: UInt64] {
    var all = counters
    all["open"] = UInt64(connections.count)
    all["dropped"] = datagrams.dropped
    return all
  }

  // MARK: Sockets

  func ready(_ id: UInt64, _ events: PollEvents) {
    guard isOpen else { return }
    switch id {
    case Self.datagramsID: readDatagrams()
    case Self.listenerID: accept()
    default:
      guard let connection = connections[id] else { return }
      touched.insert(id)
      if events.callsForWrite { connection.flush(now: MonotonicClock.now()) }
      if connection.wanted.contains(.read), events.callsForRead {
        connection.read()
      } else if events.contains(.error) {
        connection.breakOff()
      }
    }
  }

  private func readDatagrams() {
    for _ in 0..<Self.batchesPerTurn {
      if !datagrams.receive({ take($0, from: $1) }) { return }
    }
  }

  /// - Parameter deaths: processes that have died over the question.
  private func take(_ message: [UInt8], from peer: DNSPeer, deaths: UInt32 = 0) {
    guard let operation = ask(message, .udp, peer.number, deaths > 1) else { return }
    askers[operation] = .datagram(peer)
    guard let journal else { return }
    var frame = lnd_frame()
    var bytes = peer.octets + message
    frame.length = UInt32(clamping: bytes.count)
    bytes.withUnsafeMutableBufferPointer {
      frame.data = UnsafePointer($0.baseAddress)
      journal.note(
        operation, guest: peer.number, frame: frame, deaths: deaths, now: MonotonicClock.now())
    }
  }

  /// What the process before died over, in the order in which it came; a question that two have died over is not asked
  /// again, but answered SERVFAIL.
  /// - Returns: how many there are.
  func askAgain() -> Int {
    let now = MonotonicClock.now()
    let left = (journal?.takeLeft() ?? []).filter { now &- $0.came <= QuestionJournal.longest }
    for question in left {
      guard let peer = DNSPeer(octets: question.bytes.prefix(DNSPeer.size)) else { continue }
      take(Array(question.bytes.dropFirst(DNSPeer.size)), from: peer, deaths: question.deaths)
    }
    return left.count
  }

  private func accept() {
    for _ in 0..<16 {
      let result = Sockets.accept(listener, nil, nil)
      guard result >= 0 else {
        if result == Int(-EMFILE) || result == Int(-ENFILE) || result == Int(-ENOMEM) {
          // Level-triggered: without a pause every iteration would report the same event.
          listenerPaused = reactor.modify(listenerWatch, [], object: nil)
          scheduleSweep()
        }
        return
      }
      add(Int32(result))
    }
  }

  private func add(_ fd: Int32) {
    if connections.count >= Self.maximumConnections, !makeRoom() {
      counters["refused", default: 0] &+= 1
      return Descriptor.close(fd)
    }
    _ = Sockets.setOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    lastID += 1
    let connection = DNSConnection(id: lastID, fd: fd, now: MonotonicClock.now())
    guard case .success(let token) = reactor.watch(fd, .read, .dns, user: lastID) else {
      return Descriptor.close(fd)
    }
    connection.watch = token
    connections[lastID] = connection
    counters["connections", default: 0] &+= 1
    scheduleSweep()
  }

  /// Closes the longest idle connection; false when none is idle.
  private func makeRoom() -> Bool {
    let idle = connections.values.filter(\.isIdle)
    guard let oldest = idle.min(by: { $0.lastUsed < $1.lastUsed }) else { return false }
    counters["idle", default: 0] &+= 1
    drop(oldest)
    return true
  }

  private func drop(_ connection: DNSConnection) {
    connections[connection.id] = nil
    for operation in connection.outstanding {
      askers[operation] = nil
      forget(operation)
    }
    reactor.unwatch(connection.watch, object: nil)
    Descriptor.close(connection.fd)
  }

  // MARK: Answers

  /// - Parameter answer: nil when the message gets none.
  func answered(_ operation: lnd_op, _ answer: [UInt8]?) {
    journal?.forget(operation)
    switch askers.removeValue(forKey: operation) {
    case .datagram(let peer)?:
      if let answer { datagrams.queue(answer, to: peer) }
    case .connection(let id)?:
      guard let connection = connections[id] else { return }
      connection.answered(operation, answer, now: MonotonicClock.now())
      touched.insert(id)
    case nil: break
    }
  }

  /// Sends finished answers and asks received questions. True when it must be called again at once.
  func turnEnded() -> Bool {
    guard isOpen else { return false }
    datagrams.flush()
    guard !touched.isEmpty else { return false }
    let now = MonotonicClock.now()
    let ids = touched
    touched = []
    var asked = false
    for id in ids {
      guard let connection = connections[id] else { continue }
      let all = connection.askAll(now: now) { message in
        guard let operation = ask(message, .tcp, id, false) else { return nil }
        asked = true
        askers[operation] = .connection(id)
        return operation
      }
      // Too many questions are pending; retried when some have ended.
      if !all { touched.insert(id) }
      connection.flush(now: now)
      if connection.isOver { drop(connection) } else { updateInterest(connection) }
    }
    return asked
  }

  private func updateInterest(_ connection: DNSConnection) {
    let wanted = connection.wanted
    guard wanted != connection.interest else { return }
    connection.interest = wanted
    _ = reactor.modify(connection.watch, wanted, object: nil)
  }

  // MARK: Time

  private func scheduleSweep() {
    guard !sweeping else { return }
    sweeping = true
    reactor.schedule(.dnsSweep, at: MonotonicClock.now() &+ Self.sweepInterval)
  }

  /// Closes clients whose time limit has passed. A pending question has a deadline in the broker and keeps its
  /// connection.
  func sweep() {
    sweeping = false
    guard isOpen else { return }
    if listenerPaused { listenerPaused = !reactor.modify(listenerWatch, .read, object: nil) }
    let now = MonotonicClock.now()
    for connection in connections.values
    where connection.outstanding.isEmpty && now &- connection.lastUsed > Self.idleTime {
      counters["idle", default: 0] &+= 1
      drop(connection)
    }
    if !connections.isEmpty || listenerPaused { scheduleSweep() }
  }
}
