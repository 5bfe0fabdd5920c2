// SPDX-License-Identifier: Apache-2.0
//
// A network's interface of the host while the network runs: it may be renamed, deleted or taken from its bridge, and bridge
// and network card may go and come back. What is lost is made anew as soon as it can be; guests stay. Loop thread.

import HostProtocol
import Logging
import Platform

extension Network {
  /// Follows the host's interfaces from now on. Idempotent.
  func watchInterfaces() {
    guard interfaces == nil else { return }
    interfaces = InterfaceWatch(loop: context.loop) { [weak self] in self?.interfacesChanged() }
  }

  func interfacesChanged() {
    let request = cards?.request ?? tap?.request ?? wantedInterface
    if let request { context.taps.interfacesChanged(request) }
    switch state {
    case .running:
      cards?.look()
      lookAtTap()
    case .restarting where lacksInterface && mayTryAgain: start()
    case .failed where lacksInterface && isHeld && mayTryAgain: start()
    default: break
    }
  }

  /// What a try makes and unmakes is a change of interfaces, too.
  private var mayTryAgain: Bool { MonotonicClock.now() &- interfaceTriedAt >= 500_000_000 }

  func hasInterface() {
    lacksInterface = false
    saidOfInterface = nil
    interfaceBackoff.reset()
  }

  /// Also at once after a start: what happened before the watch is not told.
  func lookAtTap() {
    guard let tap, let link, state == .running else { return }
    let trouble = context.taps.trouble(of: tap)
    guard trouble != tapTrouble else { return }
    tapTrouble = trouble
    switch trouble {
    case nil: log(.notice, "its interface \(tap.spec.name) is as it was made again")
    case .renamed(let text), .resting(let text): log(.warning, text)
    case .unserved(let text):
      log(.warning, text)
      askSwitch(tap)
    case .lost(let text): lose(text, link)
    }
  }

  /// The process has the interface, too: the next one gets another.
  func lose(_ text: String, _ link: HostLink) {
    tap = nil
    endReason = text
    lacksInterface = true
    error = interfaceError(text)
    link.kill()
  }

  func interfaceError(_ text: String) -> ErrorReport {
    ErrorReport(code: HostError.Code.system.rawValue, message: "network \(name): \(text)")
  }

  /// What is wrong with the interface of a network that runs.
  var interfaceTrouble: ErrorReport? {
    guard state == .running else { return nil }
    return (cards?.trouble ?? tapTrouble?.text).map(interfaceError)
  }

  /// Where the host's side of it is, and what cannot be reached by it.
  var hostInterface: HostInterfaceReport? {
    if let cards {
      return HostInterfaceReport(
        kind: .macvtap, name: cards.name, limits: GuestCards.limits(cards.name))
    }
    guard let tap else { return nil }
    var bridge: String?
    if case .bridge(let name) = tap.request.place { bridge = name }
    #if os(Linux)
      let name = Tap.interfaceName(of: tap.fd) ?? tap.spec.name
    #else
      let name = tap.spec.name
    #endif
    return HostInterfaceReport(kind: .tap, name: name, bridge: bridge)
  }

  // MARK: Network cards

  /// The helper made a macvtap: the interface is a network card.
  func takeCards(_ first: HeldTap) {
    guard case .bridge(let card) = first.request.place else { return }
    let taps = context.taps
    cards = GuestCards(
      first, card: card,
      layers: GuestCards.Layers(
        obtain: { taps.obtain($0, $1) },
        look: { BridgedInterface.look(at: $0) },
        isAlive: { $0.isAlive },
        schedule: { [weak loop = context.loop] delay, action in
          guard let timer = loop?.schedule(after: delay, action) else { return {} }
          return { [weak loop] in loop?.cancel(timer) }
        },
        newID: { [ids = context.guestIDs] in ids.next() },
        remove: { [weak self] port in self?.link?.request(.removePort(port)) },
        explain: { [name, command = context.command, home = context.homeWords] error in
          HostTapAdvice(network: name, command: command, home: home).report(error).message
        },
        log: { [weak self] isTrouble, text in self?.log(isTrouble ? .warning : .info, text) }))
    log(.notice, GuestCards.limits(card))
  }

  /// The network's process runs; its guests come after this.
  func beginCards(_ link: HostLink) {
    cards?.begin { [weak link] spec, fd, answer in
      guard let link, !link.hasEnded else { return answer("the network's process has ended") }
      link.request(.addPort(spec), fds: [fd]) { reply in
        if case .failure(let error) = reply { answer("\(error)") } else { answer(nil) }
      }
    }
  }

  /// At rest: nothing of the host's is held.
  func leaveInterface() {
    tap = nil
    tapTrouble = nil
    cards = nil
    endReason = nil
  }

  private var wantedInterface: HostTapRequest? {
    (active?.network ?? wanted).settings.mode.isEmpty ? nil : HostTapRequest.wanted(by: wanted)
  }
}
