// SPDX-License-Identifier: Apache-2.0
//
// PeerUplink: the connection of a network to another daemon's: socket_vmnet, a QEMU that listens, another lima-netd.
// Connects, hands the connection to the network's process, which speaks QEMU's framing on it, and connects again when
// it ends: whatever the peer did, for after an impossible length nothing on a stream can be told from anything else.
//
//     resting ──begin──► connecting ──answers──► handing ──taken──► connected
//        ▲                 ▲    └─ back-off ◄───────┘                   │
//        └──rest           └───────────────── lost ─────────────────────┘
//
// Invariants: at most one timer and one connection; the descriptor is ours until the process has its duplicate.
// Loop thread.

import HostProtocol
import Platform

final class PeerUplink {
  /// Gives a process the connection, which stays the caller's; answers why it was not taken.
  typealias Hand = (PortSpec, Int32, @escaping (_ refusal: String?) -> Void) -> Void

  let socket: String
  let layers: PeerLayers
  private let newID: () -> UInt64
  private let log: (_ isTrouble: Bool, String) -> Void
  private var backoff = Backoff()
  var hand: Hand?
  var cancelTimer: (() -> Void)?
  /// The process's number of the connection; 0: none.
  var port: UInt64 = 0
  var isTaken = false
  var connectedAt: UInt64 = 0
  var since: String?
  var error: String?
  var connections: UInt64 = 0
  var losses: UInt64 = 0

  init(
    socket: String, layers: PeerLayers, newID: @escaping () -> UInt64,
    log: @escaping (_ isTrouble: Bool, String) -> Void
  ) {
    self.socket = socket
    self.layers = layers
    self.newID = newID
    self.log = log
  }

  /// A process runs and takes connections from now on. Idempotent.
  func begin(_ hand: @escaping Hand) {
    guard self.hand == nil else { return }
    self.hand = hand
    backoff.reset()
    attempt()
  }

  /// No process runs: the connection went with it.
  func rest() {
    hand = nil
    cancelTimer?()
    cancelTimer = nil
    (port, isTaken, since) = (0, false, nil)
  }

  func owns(_ port: UInt64) -> Bool { port != 0 && port == self.port }

  /// The process has no connection of this number any more.
  func lost(_ port: UInt64, _ reason: String) {
    guard owns(port), isTaken else { return }
    losses += 1
    retry(afterLife: layers.now() &- connectedAt, "the connection ended: \(reason)")
  }

  func attempt() {
    guard let hand else { return }
    let fd: Int32
    do throws(SystemError) {
      fd = try layers.connect(socket)
    } catch {
      return retry(afterLife: 0, Self.words(error))
    }
    let id = newID()
    port = id
    isTaken = false
    hand(
      PortSpec(id: id, transport: .stream, name: "uplink", isUplink: true), fd
    ) { [weak self, layers] refusal in
      layers.close(fd)
      guard let self, owns(id) else { return }
      if let refusal { return retry(afterLife: 0, refusal) }
      taken()
    }
  }

  private func taken() {
    isTaken = true
    connections += 1
    connectedAt = layers.now()
    since = WallClock.timestamp()
    log(false, "is connected to \(socket)")
  }

  private func retry(afterLife life: UInt64, _ reason: String) {
    let wasConnected = isTaken
    (port, isTaken, since) = (0, false, nil)
    // Every 10 s the same line would hide the others.
    if wasConnected || error != reason { log(true, "is not connected to \(socket): \(reason)") }
    error = reason
    cancelTimer?()
    cancelTimer = layers.schedule(backoff.delay(afterLife: life)) { [weak self] in
      self?.cancelTimer = nil
      self?.attempt()
    }
  }

  private static func words(_ error: SystemError) -> String {
    switch error.errno.name {
    case "ENOENT": "there is no such socket: does its daemon run?"
    case "ECONNREFUSED": "nobody listens there: does its daemon run?"
    case "EAGAIN": "its daemon does not accept connections just now"
    case "EACCES":
      "this user may not connect to it: it is the socket's group that may, or its owner"
    default: "\(error)"
    }
  }

  var report: UplinkReport {
    UplinkReport(
      socket: socket, state: isTaken ? .connected : .connecting, error: error, since: since,
      connections: connections, lost: losses)
  }
}
