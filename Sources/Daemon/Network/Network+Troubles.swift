// SPDX-License-Identifier: Apache-2.0
//
// What the daemon knows to be wrong with a network that serves its guests nevertheless: told in the log, and by `status` until it
// is over. Loop thread.

import Platform

enum NetworkTrouble: Int, Comparable {
  /// A guest was sent away for want of descriptors or room.
  case fullOfGuests
  /// Files of its sockets were removed.
  case sockets
  /// Lima's file of its leases cannot be written.
  case leases

  static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Network {
  /// - Parameter text: nil: it is over.
  func note(_ trouble: NetworkTrouble, _ text: String?) {
    guard let text else { return record.troubles[trouble] = nil }
    guard record.troubles[trouble]?.text != text else { return }
    record.troubles[trouble] = NetworkNote(
      network: name, time: WallClock.timestamp(), text: text, remedy: nil)
  }

  var troubleNotes: [NetworkNote] { record.troubles.sorted { $0.key < $1.key }.map(\.value) }

  /// Somebody removed files of the daemon's.
  func renewSockets() {
    let isRead = core.running != nil || state == .starting || state == .restarting
    guard let text = listeners.renew(isRead: isRead) else { return note(.sockets, nil) }
    let isOver = text.hasSuffix("there again")
    if record.troubles[.sockets]?.text != text { log(.warning, text) }
    note(.sockets, isOver ? nil : text)
  }
}
