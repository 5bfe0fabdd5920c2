// SPDX-License-Identifier: Apache-2.0
//
// What forwards there are, and who uses them: the part of forwarding that TCP and UDP know. They tell here
// what became of connections that ForwardEngine opened, and ask whom a guest's datagram answers.
//
// A connection is known by its owner: the token index of a listener, or from `firstConnect` on the number
// of a connection that was asked for by `connect`. Loop thread only.

import Wire

/// Why a guest did not accept a connection.
enum ConnectFailure {
  /// RST.
  case refused
  /// ARP found nobody.
  case unreachable
  case timedOut
}

/// See the head of this file.
final class OpenForwards {
  /// By token index, in the order of exposure.
  var listeners: [UInt32: ForwardListener] = [:]
  /// UDP clients; made with the first UDP forward.
  var datagrams: UDPForwardTable?
  /// Some listener has replies in its queue.
  private var hasReplies = false

  /// Descriptors of the connections that clients of forwards have, and of those asked for by `connect`.
  private(set) var sockets = 0
  private(set) var connectSockets = 0

  static let firstConnect: UInt32 = 1 << 31
  /// Tickets of connections that the guest has not accepted yet, by owner.
  var connects: [UInt32: UInt64] = [:]
  /// Told once of each `connect`: what was given as `ticket`, and why it failed, if it did.
  var onConnect: ((_ ticket: UInt64, _ failure: ForwardFailure?) -> Void)?

  // MARK: Descriptors

  func socketOpened(_ listener: ForwardListener) {
    sockets += 1
    listener.sockets += 1
  }

  /// `connect` has one more.
  func connectSocketOpened() {
    sockets += 1
    connectSockets += 1
  }

  /// The socket of a flow of `owner` is closed, or no longer the forward's.
  func socketClosed(_ owner: UInt32) {
    sockets -= 1
    if owner >= Self.firstConnect {
      connectSockets -= 1
    } else {
      listeners[owner]?.sockets -= 1
    }
  }

  // MARK: What TCP tells

  /// The guest accepted.
  func flowOpened(_ owner: UInt32) {
    guard let ticket = connects.removeValue(forKey: owner) else { return }
    onConnect?(ticket, nil)
  }

  /// The guest did not accept; `flowClosed` follows.
  func flowFailed(_ owner: UInt32, _ failure: ConnectFailure) {
    guard owner >= Self.firstConnect else { return }
    connectEnded(owner, failure)
  }

  /// A flow that was opened for `owner` (see `TCPEngine.openTowardGuest`) is over.
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

  // MARK: What UDP asks

  /// Whether any client of a UDP forward is remembered.
  var hasDatagramClients: Bool { (datagrams?.count ?? 0) > 0 }

  /// Whether a datagram of a guest is an answer to one.
  func hasDatagramClient(_ key: FlowKey) -> Bool { (datagrams?.find(key) ?? 0) != 0 }

  /// The client that a guest's datagram answers, if no flow knows it: 0 for none.
  @inline(__always)
  func datagramClient(_ key: FlowKey) -> UInt32 {
    guard let table = datagrams, table.count > 0 else { return 0 }
    return table.find(key)
  }

  /// Queues an answer to a client, behind those of this iteration of the loop. The outbox has room.
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

  /// Sends the answers that were collected; before the outbox is used again.
  func sendReplies(_ outbox: DatagramOutbox, _ calls: SocketCalls) {
    guard hasReplies else { return }
    hasReplies = false
    for listener in listeners.values where !listener.queue.isEmpty {
      while true {
        let outcome = outbox.send(
          &listener.queue, fd: listener.fd, calls, segmentation: false)
        guard case .refused = outcome, !listener.queue.isEmpty else { break }
        // A client that is gone, or a full queue: its datagram is lost, others may go.
        outbox.dropFirst(&listener.queue)
      }
    }
  }

  /// A datagram came from or goes to a client.
  func use(_ index: UInt32, of listener: ForwardListener, now: UInt64) {
    guard let table = datagrams else { return }
    let client = table.clients.pointer(index)
    if UseList.isStale(client.pointee.lastUsed, now: now) {
      listener.order.touch(index, in: table.clients)
    }
    client.pointee.lastUsed = now
  }
}
