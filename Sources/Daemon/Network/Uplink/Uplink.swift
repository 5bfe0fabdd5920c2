// SPDX-License-Identifier: Apache-2.0
//
// Uplink: what a network has of the host, or of another daemon, while it is wanted: an interface of the host's (a TAP, or
// a macvtap for each guest), or the connection to another daemon's socket. Networks whose plugin needs neither have none.
//
// An interface may be renamed, deleted or taken from its bridge, and bridge and network card may go and come back. What is
// lost is made anew as soon as it can be; guests stay. Loop thread.

import HostProtocol
import Logging
import Platform

/// What the uplink asks of its network, and tells it.
protocol UplinkSurroundings: AnyObject {
  /// The interface that the network will ask for when it starts next.
  var wantedInterface: HostTapRequest? { get }
  /// Why the network must not be connected to this socket; nil: it may.
  func ring(with socket: String) -> ErrorReport?
  /// The process has lost it: only another process, with another interface, helps.
  func interfaceLost(_ text: String)
  /// What a start was refused for may have gone.
  func interfaceMayBeBack()
}

/// What makes uplinks, for all networks.
struct UplinkMakers {
  let taps: HostTapMaker
  /// Where a network's host uplink is socket_vmnet's: macOS.
  let vmnet: VMNetManager?
  /// Numbers for a process's ports.
  let newID: () -> UInt64
  /// The command line's own file, and the home that root has to be told: for remedies.
  let command: String
  let homeWords: String
}

final class Uplink {
  /// What came of the preparation of a start.
  enum Readiness {
    case ready
    case failed(ErrorReport)
    /// For want of an interface that may come: the error is the maker's own.
    case noInterface(ErrorReport)
  }

  enum Way {
    case none
    /// - Parameter trouble: what is known against it.
    case tap(HeldTap, trouble: HostTapMaker.Trouble?)
    case cards(GuestCards)
    case peer(PeerUplink)
  }

  /// The search for an interface that is not there.
  private struct Want {
    /// The network is not running, or not again, for want of one.
    var isWaiting = false
    /// Why, as the log has it already.
    var said: String?
    /// When one was last asked for, ns, monotonic.
    var triedAt: UInt64 = 0
  }

  weak var network: (any UplinkSurroundings)?

  let core: NetworkCore
  let makers: UplinkMakers
  var way = Way.none
  private var want = Want()
  /// While the network has, or waits for, an interface of the host's.
  private var watch: InterfaceWatch?
  /// Asks Open vSwitch whose port the interface is, from time to time: it moves one from bridge to bridge in one
  /// transaction, of which the kernel tells nobody.
  private var switchTimer: EventLoop.TimerID?

  private static let switchPause: UInt64 = 10_000_000_000

  init(_ core: NetworkCore, _ makers: UplinkMakers) {
    self.core = core
    self.makers = makers
  }

  private var tap: HeldTap? {
    if case .tap(let tap, _) = way { tap } else { nil }
  }

  private var cards: GuestCards? {
    if case .cards(let cards) = way { cards } else { nil }
  }

  private var peer: PeerUplink? {
    if case .peer(let peer) = way { peer } else { nil }
  }

  // MARK: Before a start

  /// Gets what the plan needs.
  /// - Returns: nil, and nothing is kept, when `isWanted` says no by then.
  func prepare(_ plan: LaunchPlan, isWanted: () -> Bool) async -> Readiness? {
    do throws(ErrorReport) {
      if let path = plan.peerSocket {
        if let ring = network?.ring(with: path) { throw ring }
        leavePeer()
        keepPeer(path)
        return .ready
      }
      if let vmnet = makers.vmnet, let request = vmnetCommand(plan, vmnet) {
        do throws(VMNetError) {
          let path = try await vmnet.start(request)
          guard isWanted() else { return nil }
          keepPeer(path)
          return .ready
        } catch {
          return isWanted() ? .failed(core.report(.system, "\(error)")) : nil
        }
      }
      leavePeer()
      guard let request = try plan.tapRequest() else {
        leaveInterface()
        return .ready
      }
      watchInterfaces()
      if let tap, tap.request == request, tap.isAlive { return .ready }
      if let cards, cards.request == request { return .ready }
      leaveInterface()
      let result = await makers.taps.result(request)
      // An interface that comes too late is closed with its last reference.
      return isWanted() ? take(result) : nil
    } catch {
      return .failed(error)
    }
  }

  /// Nil when its plugin needs nothing of the host.
  private func vmnetCommand(_ plan: LaunchPlan, _ vmnet: VMNetManager) -> VMNetCommand? {
    guard plan.plugin.plugin.needsTap else { return nil }
    return VMNetCommand(
      network: core.name, mode: plan.network.settings.mode, options: plan.options,
      paths: vmnet.paths)
  }

  private func take(_ result: Result<HeldTap, HostTapError>) -> Readiness {
    switch result {
    case .failure(let error):
      want.isWaiting = true
      want.triedAt = MonotonicClock.now()
      return .noInterface(advice.report(error))
    case .success(let held):
      want.isWaiting = false
      want.said = nil
      if held.isCard { takeCards(held) } else { takeTap(held) }
      return .ready
    }
  }

  private var advice: HostTapAdvice {
    HostTapAdvice(network: core.name, command: makers.command, home: makers.homeWords)
  }

  private func takeTap(_ held: HeldTap) {
    way = .tap(held, trouble: nil)
    core.log(.info, "has the interface \(held.spec.name)")
    if case .bridge(let bridge) = held.request.place, !held.isOnSwitch,
      let caution = makers.taps.bridges.caution(about: bridge)
    {
      core.log(.warning, caution)
    }
  }

  /// The helper made a macvtap: the interface is a network card.
  private func takeCards(_ first: HeldTap) {
    guard case .bridge(let card) = first.request.place else { return }
    way = .cards(GuestCards(first, card: card, layers: cardLayers))
    core.log(.notice, GuestCards.limits(card))
  }

  var cardLayers: GuestCards.Layers {
    let (core, taps, advice) = (self.core, makers.taps, self.advice)
    return GuestCards.Layers(
      obtain: { request, answer in core.begin { answer(await taps.result(request)) } },
      look: { BridgedInterface.look(at: $0) },
      isAlive: { $0.isAlive },
      schedule: { [weak loop = core.loop] delay, action in
        guard let timer = loop?.schedule(after: delay, action) else { return {} }
        return { [weak loop] in loop?.cancel(timer) }
      },
      newID: makers.newID,
      remove: { core.running?.send(.removePort($0)) },
      explain: { advice.report($0).message },
      log: { core.log($0 ? .warning : .info, $1) })
  }

  func keepPeer(_ path: String) {
    leaveInterface()
    guard peer?.socket != path else { return }
    peer?.rest()
    let core = core
    way = .peer(
      PeerUplink(
        socket: path, layers: .system(core.loop), newID: makers.newID,
        log: { core.log($0 ? .warning : .info, $1) }))
  }

  /// Notes that the network waits for the interface.
  /// - Returns: whether the log does not have the reason yet.
  func waits(_ report: ErrorReport) -> Bool {
    defer { want.said = report.message }
    return want.said != report.message
  }

  // MARK: The process

  /// What the process is told of it at its start.
  var socket: String? { peer?.socket }
  var tapSpec: TapSpec? { tap?.spec }
  var guestCards: GuestCards? { cards }
  /// Its descriptor, which stays the uplink's.
  var tapDescriptor: Int32? { tap?.fd }

  /// The process runs; its guests come after this, where each has its own card.
  func begin(_ link: HostLink) {
    cards?.begin { [core] in Self.hand(to: link, core, $0, $1, $2) }
  }

  /// The process has its guests.
  func connect(_ link: HostLink) {
    peer?.begin { [core] in Self.hand(to: link, core, $0, $1, $2) }
    // What happened before the watch is not told.
    lookAtTap()
    watchSwitch()
  }

  func watchSwitch() {
    if let switchTimer { core.loop.cancel(switchTimer) }
    switchTimer = nil
    guard case .tap(let tap, _) = way, tap.isOnSwitch, core.running != nil else { return }
    // Not held by the timer: the interface is given back when the network lets it go.
    switchTimer = core.loop.schedule(after: Self.switchPause) { [weak self, weak tap] in
      guard let self else { return }
      switchTimer = nil
      guard case .tap(let held, nil) = way, held === tap, core.running != nil,
        case .bridge(let bridge) = held.request.place
      else { return watchSwitch() }
      let name = held.spec.name
      core.begin { [self, weak tap] in
        let answer = await switchBridge(of: name)
        guard case .tap(let now, nil) = way, now === tap, core.running != nil else {
          return watchSwitch()
        }
        switch answer {
        case .success(let other) where other != bridge: leftSwitch(now, bridge, for: other)
        // Who may not ask is told nothing, and asks no more.
        case .failure(.denied), .failure(.noProgram): break
        case .success, .failure: watchSwitch()
        }
      }
    }
  }

  /// Which bridge Open vSwitch has an interface as a port of.
  private func switchBridge(of interface: String) async -> Result<String?, OVSFailure> {
    do throws(OVSFailure) {
      return .success(try await makers.taps.ports.bridge(of: interface))
    } catch {
      return .failure(error)
    }
  }

  private func leftSwitch(_ held: HeldTap, _ bridge: String, for other: String?) {
    let gone = "its interface \(held.spec.name) is no port of \(bridge) any more"
    core.log(.error, gone + (other.map { ", but of \($0)" } ?? ""))
    lose(gone)
  }

  static func hand(
    to link: HostLink, _ core: NetworkCore, _ spec: PortSpec, _ fd: Int32,
    _ answer: @escaping (String?) -> Void
  ) {
    guard !link.hasEnded else { return answer("the network's process has ended") }
    let added = link.send(.addPort(spec), fds: [fd])
    core.begin {
      do throws(HostError) {
        _ = try await added.value()
        answer(nil)
      } catch {
        answer("\(error)")
      }
    }
  }

  /// No process runs.
  /// - Parameter unixgram: guests that it had itself.
  func rest(forgetting unixgram: [UInt64]) {
    peer?.rest()
    cards?.rest()
    for guest in unixgram { cards?.forget(guest) }
  }

  /// A port of the process has gone.
  /// - Returns: whether it was one of the uplink's.
  func lost(_ port: UInt64, _ reason: String) -> Bool {
    if let peer, peer.owns(port) {
      peer.lost(port, reason)
    } else if let cards, cards.owns(port) {
      cards.lost(port)
    } else {
      return false
    }
    return true
  }

  /// The process has this guest.
  func serve(_ guest: UInt64) { cards?.serve(guest) }

  /// Idempotent.
  func forget(_ guest: UInt64) { cards?.forget(guest) }

  // MARK: Rest

  /// The network is at rest: nothing of the host's is held.
  /// - Parameter keepsWatching: it failed; one that lacks an interface starts, or says so no more, as soon as that is there.
  func leave(keepsWatching: Bool) {
    leaveInterface()
    if !(keepsWatching && want.isWaiting) { watch = nil }
    leavePeer()
  }

  /// `network setup` has made what the network lacks.
  var hasSetUp: Bool {
    network?.wantedInterface.map(makers.taps.hasSetUp) ?? false
  }

  /// It is wanted no more.
  func wantNothing() { want.isWaiting = false }

  private func leaveInterface() {
    switch way {
    case .tap, .cards: way = .none
    case .none, .peer: break
    }
  }

  private func leavePeer() {
    guard let peer else { return }
    peer.rest()
    way = .none
    makers.vmnet?.stop(core.name)
  }

  // MARK: What becomes of the interface

  /// Follows the host's interfaces from now on. Idempotent.
  func watchInterfaces() {
    guard watch == nil else { return }
    watch = InterfaceWatch(loop: core.loop) { [weak self] in self?.interfacesChanged() }
  }

  private func interfacesChanged() {
    let request = cards?.request ?? tap?.request ?? network?.wantedInterface
    if let request { makers.taps.interfacesChanged(request) }
    if core.running != nil {
      cards?.look()
      lookAtTap()
    } else if want.isWaiting,
      hasSetUp || MonotonicClock.now() &- want.triedAt >= 500_000_000
    {
      // What a try makes and unmakes is a change of interfaces, too; one of `network setup` is nothing that it makes.
      network?.interfaceMayBeBack()
    }
  }

  func lookAtTap() {
    guard case .tap(let tap, let before) = way, core.running != nil else { return }
    let trouble = makers.taps.trouble(of: tap)
    guard trouble != before else { return }
    way = .tap(tap, trouble: trouble)
    switch trouble {
    case nil: core.log(.notice, "its interface \(tap.spec.name) is as it was made again")
    case .renamed(let text), .resting(let text): core.log(.warning, text)
    case .unserved(let text):
      core.log(.warning, text)
      askSwitch(tap)
    case .lost(let text): lose(text)
    }
  }

  /// The process has the interface, too: the next one gets another.
  private func lose(_ text: String) {
    way = .none
    want.isWaiting = true
    network?.interfaceLost(text)
  }

  /// A port of Open vSwitch that nobody reads any more: its administrator has taken it away, or ovs-vswitchd restarts. The
  /// kernel does not say which, the switch's database does. A port that was taken away is made again, as on a bridge of
  /// Linux; where this user may not ask, the command that root needs is told.
  private func askSwitch(_ held: HeldTap) {
    guard case .bridge(let bridge) = held.request.place else { return }
    let name = held.spec.name
    core.begin { [self, weak held] in
      let answer = await switchBridge(of: name)
      guard core.running != nil, case .tap(let tap, .unserved) = way, tap === held else { return }
      switch answer {
      // It stays one, and is read again as soon as the switch runs.
      case .success(bridge): break
      case .success(let other): leftSwitch(tap, bridge, for: other)
      case .failure(let failure):
        let gone = "its interface \(name) is no port of \(bridge) any more"
        let remedy = failure.remedy(setup: advice.setup) ?? advice.setup
        let text = "\(gone), or Open vSwitch does not run. Mend it:  \(remedy)"
        way = .tap(tap, trouble: .unserved(text))
        core.log(.error, text)
      }
    }
  }

  // MARK: Reports

  /// What is wrong with the interface of a network that runs.
  var trouble: ErrorReport? {
    guard core.running != nil else { return nil }
    let text: String? =
      switch way {
      case .tap(_, let trouble): trouble?.text
      case .cards(let cards): cards.trouble
      case .none, .peer: nil
      }
    return text.map { core.report(.system, $0) }
  }

  var isWaiting: Bool { want.isWaiting }

  /// Guests that this daemon does not know may be reached by it.
  var reachesOthers: Bool { tap != nil || peer != nil }

  var peerReport: UplinkReport? { peer?.report }

  /// Where the host's side of it is, and what cannot be reached by it.
  var hostInterface: HostInterfaceReport? {
    switch way {
    case .none, .peer: return nil
    case .cards(let cards):
      return HostInterfaceReport(
        kind: .macvtap, name: cards.name, limits: GuestCards.limits(cards.name))
    case .tap(let tap, _):
      var bridge: String?
      if case .bridge(let name) = tap.request.place { bridge = name }
      #if os(Linux)
        let name = Tap.interfaceName(of: tap.fd) ?? tap.spec.name
      #else
        let name = tap.spec.name
      #endif
      return HostInterfaceReport(kind: .tap, name: name, bridge: bridge)
    }
  }
}
