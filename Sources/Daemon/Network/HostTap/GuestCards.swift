// SPDX-License-Identifier: Apache-2.0
//
// GuestCards: the macvtaps of a network on a network card, one for each guest: made when the guest comes, handed to the
// network's process, to the next process when that dies, and let go with the guest. When the card goes, so do they: guests
// stay, without a way out, and get new ones when it is back.
//
//     absent ──serve──► waiting ──obtained──► held ──handed──► used
//                         ▲  └── back-off ◄─────┴── gone ◄──────┘
//
// Invariants: at most one descriptor and one timer for a guest; `atOnce` helpers run. Loop thread.

import HostProtocol
import Platform

final class GuestCards {
  /// Gives a process a macvtap, which stays the caller's; answers why it was not taken.
  typealias Hand = (PortSpec, Int32, @escaping (_ refusal: String?) -> Void) -> Void

  /// What it needs of the system; tests put their own in.
  struct Layers {
    /// Answers once.
    var obtain: (HostTapRequest, @escaping (Result<HeldTap, HostTapError>) -> Void) -> Void
    /// What the card is like now.
    var look: (_ card: String) -> BridgedInterface
    var isAlive: (HeldTap) -> Bool
    /// What it returns takes the action back.
    var schedule: (_ after: UInt64, _ action: @escaping () -> Void) -> () -> Void
    /// Nanoseconds, monotonic.
    var now: () -> UInt64 = { MonotonicClock.now() }
    var newID: () -> UInt64
    /// A process's port is of no use any more.
    var remove: (UInt64) -> Void
    var explain: (HostTapError) -> String
    var log: (_ isTrouble: Bool, String) -> Void
  }

  final class Card {
    var held: HeldTap?
    /// The process's number of it; 0: it has none.
    var port: UInt64 = 0
    var isAsked = false
    var backoff = Backoff()
    /// When the process took it; 0: it has not.
    var takenAt: UInt64 = 0
    var cancelTimer: (() -> Void)?
  }

  let request: HostTapRequest
  /// The network card.
  let name: String
  private let layers: Layers
  private(set) var cards: [UInt64: Card] = [:]
  /// Made to see whether it can be; the first guest's.
  private(set) var spare: HeldTap?
  private var hand: Hand?
  private var queue: [UInt64] = []
  private(set) var running = 0
  /// Why guests are without one, or the card carries nothing.
  private(set) var trouble: String?
  let mtu: Int

  private static let atOnce = 4

  init(_ first: HeldTap, card: String, layers: Layers) {
    request = first.request
    name = card
    mtu = first.spec.mtu
    spare = first
    self.layers = layers
  }

  /// Goes on where a supervisor before this one has stopped.
  init(resuming state: UplinkState.Cards, layers: Layers) {
    request = state.request
    name = state.name
    mtu = state.mtu
    trouble = state.trouble
    spare = state.spare.map { HeldTap($0) }
    self.layers = layers
    for guest in state.guests {
      let card = Card()
      card.held = guest.held.map { HeldTap($0) }
      (card.port, card.takenAt) = (guest.port, guest.takenAt)
      cards[guest.id] = card
    }
  }

  /// - Parameter hand: of the process that has the macvtaps of before.
  func resume(_ hand: @escaping Hand) {
    self.hand = hand
    for (guest, card) in cards where card.held == nil { retry(guest) }
  }

  /// What users have to know of every macvtap.
  static func limits(_ card: String) -> String {
    "\(card) is a network card: guests and the LAN reach each other, this host and its guests do not (macvtap). "
      + "Where they have to, make a bridge of it, or add a network of mode shared or host"
  }

  // MARK: The network's process

  /// A process runs and takes macvtaps from now on.
  func begin(_ hand: @escaping Hand) { self.hand = hand }

  /// No process runs.
  func rest() {
    hand = nil
    for card in cards.values { card.port = 0 }
  }

  func owns(_ port: UInt64) -> Bool {
    port != 0 && cards.values.contains { $0.port == port }
  }

  /// The process has no such port any more.
  func lost(_ port: UInt64) {
    guard port != 0, let (guest, card) = cards.first(where: { $0.value.port == port }) else {
      return
    }
    let life = card.takenAt == 0 ? 0 : layers.now() &- card.takenAt
    drop(card)
    retry(guest, afterLife: life)
  }

  // MARK: Guests

  /// The process has the guest.
  func serve(_ guest: UInt64) {
    let card = cards[guest] ?? Card()
    cards[guest] = card
    if card.held == nil, let spare, layers.isAlive(spare) { card.held = spare }
    spare = nil
    if let held = card.held, !layers.isAlive(held) { card.held = nil }
    if card.held != nil { give(guest, card) } else { ask(guest, card) }
  }

  /// Idempotent.
  func forget(_ guest: UInt64) {
    guard let card = cards.removeValue(forKey: guest) else { return }
    card.cancelTimer?()
    if card.port != 0, hand != nil { layers.remove(card.port) }
    queue.removeAll { $0 == guest }
    settle()
  }

  /// Interfaces of the host have changed.
  func look() {
    for (guest, card) in cards {
      if let held = card.held, !layers.isAlive(held) {
        if card.port != 0, hand != nil { layers.remove(card.port) }
        drop(card)
      }
      guard card.held == nil, hand != nil else { continue }
      card.cancelTimer?()
      card.cancelTimer = nil
      card.backoff.reset()
      ask(guest, card)
    }
    settle()
  }

  private func drop(_ card: Card) {
    card.held = nil
    card.port = 0
    card.takenAt = 0
  }

  // MARK: Getting one

  private func ask(_ guest: UInt64, _ card: Card) {
    guard !card.isAsked else { return }
    if layers.look(name) == .missing {
      settle()
      return retry(guest)
    }
    card.isAsked = true
    queue.append(guest)
    next()
  }

  private func next() {
    while running < Self.atOnce, !queue.isEmpty {
      let guest = queue.removeFirst()
      guard let card = cards[guest] else { continue }
      running += 1
      layers.obtain(request) { [weak self, weak card] result in
        guard let self else { return }
        running -= 1
        if let card {
          card.isAsked = false
          // A guest that has left meanwhile: the macvtap goes with the last reference.
          if cards[guest] === card { obtained(result, guest, card) }
        }
        next()
      }
    }
  }

  private func obtained(
    _ result: Result<HeldTap, HostTapError>, _ guest: UInt64, _ card: Card
  ) {
    switch result {
    case .success(let held) where held.isCard:
      card.held = held
      give(guest, card)
    case .success:
      say(
        "\(name) is no plain network card any more: stop the network, and it starts as what it is now"
      )
      retry(guest)
    case .failure(let error):
      say(layers.explain(error))
      retry(guest)
    }
  }

  private func give(_ guest: UInt64, _ card: Card) {
    guard let hand, let held = card.held else { return }
    let id = layers.newID()
    card.port = id
    hand(
      PortSpec(
        id: id, transport: .tap, name: name, mac: held.spec.mac, mtu: held.spec.mtu,
        vnetHeader: held.spec.vnetHeader, isUplink: true, guest: guest), held.fd
    ) { [weak self, weak card] refusal in
      guard let self, let card, card.port == id else { return }
      if let refusal {
        layers.log(true, "guest \(guest) has no macvtap on \(name): \(refusal)")
        drop(card)
        return retry(guest)
      }
      card.takenAt = layers.now()
      settle()
    }
  }

  /// - Parameter life: how long the one that is lost served, nanoseconds: after a long one the failures before it are
  ///   forgotten.
  private func retry(_ guest: UInt64, afterLife life: UInt64 = 0) {
    guard let card = cards[guest], card.cancelTimer == nil, hand != nil else { return }
    // The first time at once is for a process that died, not for a card that is gone.
    let delay = max(card.backoff.delay(afterLife: life), 100_000_000)
    card.cancelTimer = layers.schedule(delay) { [weak self, weak card] in
      guard let self, let card, cards[guest] === card else { return }
      card.cancelTimer = nil
      if hand != nil, card.held == nil { ask(guest, card) }
    }
  }

  // MARK: What there is to say

  /// Every 10 s the same line would hide the others.
  private func say(_ text: String?) {
    guard text != trouble else { return }
    trouble = text
    if let text { layers.log(true, text) } else { layers.log(false, "guests are on \(name) again") }
  }

  private func settle() {
    switch layers.look(name) {
    case .missing: say("the network card \(name) is gone: its guests are cut off until it is back")
    case .card(isUp: false, _): say("the network card \(name) is down: its guests reach nothing")
    case .card(_, hasCarrier: false):
      say("the network card \(name) has no carrier: its guests reach nothing")
    default: if cards.values.allSatisfy({ $0.held != nil }) { say(nil) }
    }
  }
}
