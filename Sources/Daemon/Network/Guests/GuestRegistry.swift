// SPDX-License-Identifier: Apache-2.0
//
// GuestRegistry: a network's guests: those whose descriptors the supervisor holds (links), and those of the unixgram
// socket, whom the process tells apart. Both outlive the process: the next one is given the links, and told where the
// others are, for a guest may have nothing to say. Loop thread.

import HostProtocol
import Platform

final class GuestRegistry {
  static let maximum = 1024

  private let core: NetworkCore
  var links: [UInt64: Guest] = [:]
  /// As the process has them.
  var unixgram: [UInt64: GuestReport] = [:]
  /// As a process had them; the next one is told.
  var unixgramAddresses: [UInt64: String] = [:]
  /// Of unixgram guests that were renamed, by address; they outlive the process.
  var givenNames: [String: String] = [:]
  var journal: JournalSlots?

  init(_ core: NetworkCore) { self.core = core }

  // MARK: Who is there

  subscript(id: UInt64) -> Guest? { links[id] }

  /// Guests with a link.
  var count: Int { links.count }
  var hasLinks: Bool { !links.isEmpty }
  /// Of either kind.
  var isEmpty: Bool { links.isEmpty && unixgram.isEmpty }
  var total: Int { links.count + unixgram.count }
  var hasUnixgram: Bool { !unixgram.isEmpty }
  /// Somebody waits for a process, having been at one before.
  var hasUnixgramAddresses: Bool { !unixgramAddresses.isEmpty }
  /// Lowest number first.
  var all: [Guest] { links.values.sorted { $0.id < $1.id } }
  var unixgramGuests: [GuestReport] { unixgram.values.sorted { $0.id < $1.id } }
  var names: [String] { links.values.map(\.name) + unixgram.values.map(\.name) }
  var reports: [GuestReport] { all.map(\.report) + unixgramGuests }
  /// Bytes of IP packet, of those that told it.
  var mtus: [UInt64: Int] { links.mapValues(\.mtu).filter { $0.value > 0 } }
  var isFull: Bool { links.count >= Self.maximum }

  // MARK: Links

  func insert(_ guest: Guest) { links[guest.id] = guest }

  /// The caller closes it.
  func remove(_ id: UInt64) -> Guest? {
    guard let guest = links.removeValue(forKey: id) else { return nil }
    retire(guest)
    return guest
  }

  /// Lowest number first. The caller closes them.
  func removeAll() -> [Guest] {
    let guests = all
    links = [:]
    for guest in guests { retire(guest) }
    return guests
  }

  private func retire(_ guest: Guest) {
    core.loop.remove(guest.fd)
    journal?.give(back: guest.journalSlot)
  }

  /// Notices that a stream is closed while no process reads it.
  func watchHangup(_ guest: Guest, _ onHangup: @escaping () -> Void) {
    guard guest.transport.isStream else { return }
    try? core.loop.add(guest.fd, []) { _ in onHangup() }
  }

  /// Of a guest of either kind.
  func rename(_ id: UInt64, _ name: String) {
    if let guest = links[id] {
      guest.name = name
    } else if unixgram[id] != nil {
      unixgram[id]?.name = name
      if let address = unixgramAddresses[id] { givenNames[address] = name }
    }
  }

  /// What the guest at an address was called by `rename`, by a process before.
  func givenName(_ address: String) -> String? { givenNames[address] }

  // MARK: The journal

  /// Of the journal of `takeJournal`; -1: the stream does not outlive a process.
  func takeSlot() -> Int {
    (try? takeJournal()) == nil ? -1 : journal?.take() ?? -1
  }

  /// The journal's descriptor, which stays the registry's.
  @discardableResult
  func takeJournal() throws(SystemError) -> Int32 {
    if let journal { return journal.fd }
    let made = try JournalSlots(network: core.name)
    journal = made
    return made.fd
  }

  // MARK: Unixgram

  /// - Returns: false: a process that invents guests without end is not believed.
  func unixgramCame(_ id: UInt64, name: String, address: String) -> Bool {
    guard unixgram.count < Self.maximum else { return false }
    unixgram[id] = GuestReport(
      id: id, name: name, transport: "unixgram", mac: nil, since: WallClock.timestamp())
    unixgramAddresses[id] = address
    return true
  }

  func unixgramLeft(_ id: UInt64) -> GuestReport? {
    if let address = unixgramAddresses.removeValue(forKey: id) { givenNames[address] = nil }
    return unixgram.removeValue(forKey: id)
  }

  /// The process has died. Where its guests are is still known.
  func loseUnixgram() { unixgram = [:] }

  /// Where guests are that a new process is told of; it tells of them itself from then on.
  func takeUnixgramAddresses() -> [String] {
    defer { unixgramAddresses = [:] }
    return unixgramAddresses.sorted { $0.key < $1.key }.map(\.value)
  }

  func forgetUnixgram() {
    unixgram = [:]
    unixgramAddresses = [:]
    givenNames = [:]
  }
}
