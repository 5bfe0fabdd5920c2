// SPDX-License-Identifier: Apache-2.0
//
// The open forwards and their connections: the part of forwarding that TCP and UDP use. They report the outcome of
// connections that ForwardEngine opened, and look up the client to which a guest's datagram is an answer.
//
// A connection is identified by its owner: the token index of a listener, or from `firstConnect` on the number of a
// `connect` request. Loop thread only.

import Wire

/// Why a guest did not accept a connection.
enum ConnectFailure {
  /// RST.
  case refused
  /// Address resolution failed.
  case unreachable
  case timedOut
}

/// See the head of this file.
final class OpenForwards {
  /// By token index, in the order in which they were added.
  var listeners: [UInt32: ForwardListener] = [:]
  /// UDP clients; created with the first UDP forward.
  var datagrams: UDPForwardTable?
  /// Some listener has queued replies.
  private var hasReplies = false

  /// Descriptors of the connections of forwards' clients, and of those requested by `connect`.
  private(set) var sockets = 0
  private(set) var connectSockets = 0

  static let firstConnect: UInt32 = 1 << 31
  /// Tickets of connections that the guest has not accepted yet, by owner.
  var connects: [UInt32: UInt64] = [:]
  /// Called once per `connect`: with the `ticket` of the call, and the reason of a failure.
  var onConnect: ((_ ticket: UInt64, _ failure: ForwardFailure?) -> Void)?

  // MARK: Descriptors

  func socketOpened(_ listener: ForwardListener) {
    sockets += 1
    listener.sockets += 1
  }

  /// `connect` has opened a socket.
  func connectSocketOpened() {
    sockets += 1
    connectSockets += 1
  }

  /// The socket of a flow of `owner` is closed, or no longer counted as the forward's.
  func socketClosed(_ owner: UInt32) {
    sockets -= 1
    if owner >= Self.firstConnect {
      connectSockets -= 1
    } else {
      listeners[owner]?.sockets -= 1
    }
  }

  // MARK: Reports of TCP

  /// The guest accepted the connection.
  func flowOpened(_ owner: UInt32) {
    guard let ticket = connects.removeValue(forKey: owner) else { return }
    onConnect?(ticket, nil)
  }

  /// The guest did not accept the connection; `flowClosed` follows.
  func flowFailed(_ owner: UInt32, _ failure: ConnectFailure) {
    guard owner >= Self.firstConnect else { return }
    connectEnded(owner, failure)
  }

  /// A flow that was opened for `owner` (see `TCPEngine.openTowardGuest`) has ended.
  func flowClosed(_ owner: UInt32) {
    if owner >= Self.firstConnect {
      connectEnded(owner, nil)
    } else {
      listeners[owner]?.connections -= 1
    }
  }

  private func connectEnded(_ owner: UInt32, _ failure: ConnectFailure?) {
    guard let ticket = connects.removeValue(forKey: owner) else { return }
    let reason =
      switch failure {
      case .refused: ForwardFailure(.refused, text: "the guest refused the connection")
      case .unreachable: ForwardFailure(.notFound, text: "no guest answers at this address")
      case .timedOut: ForwardFailure(.timedOut, text: "the guest does not answer")
      case nil:
        ForwardFailure(.cancelled, text: "the guest or the network went away meanwhile")
      }
    onConnect?(ticket, reason)
  }

  // MARK: Look-ups of UDP

  /// Whether there is any client of a UDP forward.
  var hasDatagramClients: Bool { (datagrams?.count ?? 0) > 0 }

  /// Whether a guest's datagram is an answer to a client.
  func hasDatagramClient(_ key: FlowKey) -> Bool { (datagrams?.find(key) ?? 0) != 0 }

  /// The client to which a guest's datagram is an answer, if no flow matches: 0 for none.
  @inline(__always)
  func datagramClient(_ key: FlowKey) -> UInt32 {
    guard let table = datagrams, table.count > 0 else { return 0 }
    return table.find(key)
  }

  /// Queues an answer to a client in this loop iteration. Precondition: the outbox has room.
  func answer(_ index: UInt32, _ payload: ByteView, in outbox: DatagramOutbox, now: UInt64) {
    guard let table = datagrams else { return }
    let client = table.clients.pointer(index)
    guard let listener = listeners[client.pointee.listener] else { return }
    use(index, of: listener, now: now)
    outbox.append(
      Datagram(
        payload: payload, destination: client.pointee.client, source: client.pointee.local),
      to: &listener.queue)
    hasReplies = true
  }

  /// Sends the queued answers; called before the outbox is reused.
  func sendReplies(_ outbox: DatagramOutbox, _ calls: SocketCalls) {
    guard hasReplies else { return }
    hasReplies = false
    for listener in listeners.values where !listener.queue.isEmpty {
      while true {
        let outcome = outbox.send(
          &listener.queue, fd: listener.fd, calls, segmentation: false)
        guard case .refused = outcome, !listener.queue.isEmpty else { break }
        // The client is gone or its queue is full: this datagram is dropped, others follow.
        outbox.dropFirst(&listener.queue)
      }
    }
  }

  /// Records a datagram from or to a client.
  func use(_ index: UInt32, of listener: ForwardListener, now: UInt64) {
    guard let table = datagrams else { return }
    let client = table.clients.pointer(index)
    if UseList.isStale(client.pointee.lastUsed, now: now) {
      listener.order.touch(index, in: table.clients)
    }
    client.pointee.lastUsed = now
  }
}
