// SPDX-License-Identifier: Apache-2.0
//
// GuestPorts: the links of a network: guests' ports by the supervisor's ids, unixgram listeners and their guests, the
// plugin's uplinks, and the captures on them. Connects them to the reactor and to the network plugin.
//
// A port that ends, or is removed, inside one of its own methods is only recorded, and released at the end of the
// iteration. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

final class GuestPorts {
  /// One port and its state.
  final class Entry {
    let port: Port
    let kind: String
    let isUplink: Bool
    let listener: UnixgramListener?
    var watch: UInt64?
    var attached = false
    /// The plugin has assigned it an address without DHCP (`reserveLease`).
    var hasReservation = false

    init(_ port: Port, kind: String, isUplink: Bool = false, listener: UnixgramListener? = nil) {
      self.port = port
      self.kind = kind
      self.isUplink = isUplink
      self.listener = listener
    }
  }

  /// First id of guests that a listener found; the supervisor's ids are smaller.
  private static let firstOwnID: UInt64 = 1 << 32
  /// Retry interval for a capture's slow reader, nanoseconds.
  private static let captureRetry: UInt64 = 5_000_000

  let plugin: NetworkPlugin
  let memory: PortMemory
  private let reactor: Reactor
  let log: HostLog
  private let journal: UnsafeMutableRawPointer?
  let emit: (HostEvent) -> Void
  /// Called when the TAP that the supervisor passed was deleted; the network cannot run without it.
  var onTapLost: (String) -> Void = { _ in }
  /// A guest's port is on the network.
  var onJoined: (Port) -> Void = { _ in }

  private(set) var entries: [UInt64: Entry] = [:]
  private(set) var listeners: [UInt64: UnixgramListener] = [:]
  private var listenerWatches: [UInt64: UInt64] = [:]
  private var nextOwnID = GuestPorts.firstOwnID
  /// Removed ports whose methods may still be on the stack.
  private var graveyard: [Entry] = []
  private var ended: [Port] = []
  private var doomed: [Entry] = []
  private var probesScheduled = false
  var isRingProbeScheduled = false
  let capture = Capture()
  /// Set for a network whose guests have a macvtap each.
  private(set) var cards: CardWires?
  /// Of each guest's link.
  private(set) var limits = LinkLimits()
  /// See `checkLinks`.
  var refusedLinks: UInt64 = 0
  private var contestedAt: UInt64 = 0
  /// Nothing is read from guests yet (`NetworkSpec.holdsGuests`).
  private var isHolding: Bool

  init(
    plugin: NetworkPlugin, reactor: Reactor, log: HostLog, journal: UnsafeMutableRawPointer?,
    isHolding: Bool = false, emit: @escaping (HostEvent) -> Void
  ) {
    self.isHolding = isHolding
    self.plugin = plugin
    self.reactor = reactor
    self.log = log
    self.journal = journal
    self.emit = emit
    memory = PortMemory()
    plugin.onContest = { [unowned self] in probeContested() }
  }

  // MARK: Guests

  /// Takes ownership of `fd` in every case.
  func add(_ spec: PortSpec, fd: Int32) throws(HostError) {
    guard entries[spec.id] == nil, spec.id < Self.firstOwnID else {
      Descriptor.close(fd)
      throw HostError(.exists, "there is a port \(spec.id) already, or it is no port's number")
    }
    guard let mac = MACText.parse(spec.mac) else {
      Descriptor.close(fd)
      throw HostError(.invalidConfig, "\"\(spec.mac ?? "")\" is no MAC address")
    }
    let options = PortOptions(
      id: spec.id, name: spec.name, mtu: UInt32(clamping: spec.mtu), mac: mac)
    let port: Port
    switch spec.transport {
    case .tap:
      port = TapPort(options, fd: fd, vnetHeader: spec.vnetHeader, memory: memory)
    case .stream, .hyperkit:
      port = StreamPort(
        options, fd: fd, framing: spec.transport == .stream ? .qemu : .hyperkit,
        journal: journalSlot(spec.journalSlot), resumed: spec.resumed, memory: memory)
    case .dgram:
      port = DgramPort(options, fd: fd, memory: memory)
      scheduleProbes()
    }
    if let end = port.end {
      port.close()
      throw HostError(end == .boundaryUnknown ? .boundary : .system, end.description)
    }
    if spec.isUplink {
      guard let guest = spec.guest else { return try addPeer(port) }
      return try addCard(port, of: guest)
    }
    try join(Entry(port, kind: spec.transport.rawValue))
    log.info("ports", "guest \(label(port)) is connected (\(spec.transport.rawValue))")
    onJoined(port)
  }

  private func journalSlot(_ number: Int) -> StreamJournal? {
    guard let journal, (0..<JournalLayout.slots).contains(number) else { return nil }
    return StreamJournal(slot: journal + number * JournalLayout.slotSize)
  }

  /// Attaches the port and polls it. On failure it is closed.
  func join(_ entry: Entry) throws(HostError) {
    let port = entry.port
    port.delegate = self
    port.capture = capture.isActive && !entry.isUplink ? capture : nil
    entries[port.id] = entry
    if !entry.isUplink { port.setLimits(limits) }
    do throws(HostError) {
      if !entry.isUplink {
        try checkLinks()
        try plugin.attach(port)
      }
      // Until it has a macvtap its frames are dropped: no switch is used.
      if cards != nil { port.receiver = .discard }
      entry.attached = true
      if !isHolding || entry.isUplink { try watch(entry) }
    } catch {
      release(entry)
      throw error
    }
  }

  /// Of guests that are there and of those that come.
  func setLimits(_ new: LinkLimits) {
    guard new != limits else { return }
    limits = new
    for entry in entries.values where !entry.isUplink { entry.port.setLimits(new) }
  }

  private func watch(_ entry: Entry) throws(HostError) {
    let port = entry.port
    // The listener reads for its guests.
    guard port.fd >= 0, entry.listener == nil, entry.watch == nil else { return }
    let object = Unmanaged.passUnretained(port).toOpaque()
    switch reactor.watch(port.fd, PollEvents(port.interest), .port, object: object) {
    case .success(let watch): entry.watch = watch
    case .failure(let errno):
      throw HostError(.system, SystemError("epoll_ctl", errno).description)
    }
  }

  /// The supervisor has added all present guests: their frames are read from now on. Idempotent.
  func guestsAreKnown() {
    guard isHolding else { return }
    isHolding = false
    for id in entries.keys.sorted() {
      guard let entry = entries[id] else { continue }
      do throws(HostError) {
        try watch(entry)
      } catch {
        log.error("ports", "guest \(label(entry.port)): \(error)")
        release(entry)
        emit(.portGone(id: id, reason: error.description))
      }
    }
    for id in listeners.keys.sorted() {
      do throws(HostError) {
        try watchListener(id)
      } catch {
        log.error("ports", "listener \(id): \(error)")
        removeListener(id)
      }
    }
  }

  private func watchListener(_ id: UInt64) throws(HostError) {
    guard let listener = listeners[id], listenerWatches[id] == nil else { return }
    switch reactor.watch(listener.fd, .read, .listener, user: id) {
    case .success(let watch): listenerWatches[id] = watch
    case .failure(let errno):
      throw HostError(.system, SystemError("epoll_ctl", errno).description)
    }
  }

  /// Renames a guest and notifies the plugin.
  func rename(_ id: UInt64, _ name: String) throws(HostError) {
    guard let entry = entries[id], !entry.isUplink else {
      throw HostError(.notFound, "there is no guest \(id)")
    }
    guard entry.port.name != name else { return }
    log.info("ports", "guest \(label(entry.port)) is called \(name) now")
    entry.port.name = name
    plugin.learningSwitch?.renamed(entry.port)
    plugin.changed(entry.port)
  }

  /// Idempotent.
  func remove(_ id: UInt64) {
    guard let entry = entries[id] else { return }
    log.info("ports", "guest \(label(entry.port)) is disconnected")
    release(entry)
  }

  /// Detaches a port; its memory stays valid until the end of the iteration.
  func release(_ entry: Entry) {
    let port = entry.port
    guard entries.removeValue(forKey: port.id) != nil else { return }
    cards?.part(port.id)
    if let watch = entry.watch {
      reactor.unwatch(watch, object: Unmanaged.passUnretained(port).toOpaque())
    }
    port.delegate = nil
    port.capture = nil
    if entry.attached {
      if entry.hasReservation { plugin.releaseLease(port) }
      if entry.isUplink { plugin.learningSwitch?.detach(port) } else { plugin.detach(port) }
    }
    if let datagram = port as? DgramPort { entry.listener?.forget(datagram) }
    graveyard.append(entry)
  }

  func removeAll() {
    for id in entries.keys.sorted() {
      if let entry = entries[id] { release(entry) }
    }
    for id in listeners.keys.sorted() { removeListener(id) }
  }

  // MARK: Listeners

  func addListener(_ spec: ListenerSpec, fd: Int32) throws(HostError) {
    let id = spec.id
    guard listeners[id] == nil, id < Self.firstOwnID else {
      Descriptor.close(fd)
      throw HostError(.exists, "there is a listener \(id) already, or it is no listener's number")
    }
    let listener = UnixgramListener(id: id, fd: fd, memory: memory)
    listener.delegate = self
    listeners[id] = listener
    do throws(HostError) {
      if !isHolding { try watchListener(id) }
    } catch {
      listeners[id] = nil
      listener.close()
      throw error
    }
    scheduleProbe(id)
    for address in spec.guests { listener.admit(address) }
  }

  /// Idempotent.
  func removeListener(_ id: UInt64) {
    guard let listener = listeners.removeValue(forKey: id) else { return }
    for entry in entries.values where entry.listener === listener { release(entry) }
    if let watch = listenerWatches.removeValue(forKey: id) {
      reactor.unwatch(watch, object: nil)
    }
    letGo()
    listener.close()
  }

  func listenerReady(_ id: UInt64) {
    guard let listener = listeners[id] else { return }
    listener.onReadable()
    guard let end = listener.end else { return }
    log.error("ports", "listener \(id) ended: \(end)")
    removeListener(id)
  }

  func probe(_ id: UInt64) {
    guard let listener = listeners[id] else { return }
    listener.probe()
    scheduleProbe(id)
  }

  /// A guest claims an address of another, which may have left: datagram sockets do not report that. Probes at most once a
  /// second.
  func probeContested() {
    let now = MonotonicClock.now()
    guard now &- contestedAt > 1_000_000_000 else { return }
    contestedAt = now
    for listener in listeners.values { listener.probe() }
    for entry in entries.values where entry.listener == nil { (entry.port as? DgramPort)?.probe() }
  }

  /// Datagram ports do not notice that their guest is gone: asks the silent ones.
  func probePorts() {
    probesScheduled = false
    for entry in entries.values where entry.listener == nil {
      guard let port = entry.port as? DgramPort else { continue }
      port.probe()
      scheduleProbes()
    }
  }

  private func scheduleProbes() {
    guard !probesScheduled else { return }
    probesScheduled = true
    reactor.schedule(.probePorts, at: MonotonicClock.now() &+ UnixgramListener.probeInterval)
  }

  func scheduleRingProbe() {
    guard !isRingProbeScheduled else { return }
    isRingProbeScheduled = true
    reactor.schedule(.probeRing, at: MonotonicClock.now() &+ LoopProbe.interval)
  }

  private func scheduleProbe(_ id: UInt64) {
    reactor.schedule(
      .probe(listener: id), at: MonotonicClock.now() &+ UnixgramListener.probeInterval)
  }

  func newOwnID() -> UInt64 {
    defer { nextOwnID &+= 1 }
    return nextOwnID
  }

  // MARK: Uplinks

  /// Connects guests to macvtaps instead of a switch.
  func serveCards() throws(HostError) {
    guard let learningSwitch = plugin.learningSwitch else {
      throw HostError(.unsupported, "a network of isolated guests is not on a network card")
    }
    cards = CardWires(learningSwitch, waker: reactor.waker, log: log)
  }

  func entry(of handle: lnd_port) -> Entry? {
    guard let port = plugin.learningSwitch?.port(handle) ?? plugin.binding?.port(handle) else {
      return nil
    }
    return entries[port.id]
  }

  // MARK: End of the iteration

  func retry(_ id: UInt64) { entries[id]?.port.onRetry() }

  func gateOpens(_ id: UInt64) { entries[id]?.port.onGateOpens() }

  func noteEnd(_ port: Port) { ended.append(port) }

  func doom(_ entry: Entry) { doomed.append(entry) }

  func interestChanged(_ port: Port) {
    guard let watch = entries[port.id]?.watch else { return }
    _ = reactor.modify(
      watch, PollEvents(port.interest), object: Unmanaged.passUnretained(port).toOpaque())
  }

  func wantsRetry(_ port: Port, at deadline: UInt64) {
    reactor.schedule(.portRetry(port.id), at: deadline)
  }

  func waitsForGate(_ port: Port, at deadline: UInt64) {
    reactor.schedule(.portGate(port.id), at: deadline)
  }

  /// Reports and releases ports that ended in this iteration. Returns the latest time of the next call.
  func turnEnded() -> UInt64 {
    cards?.settle()
    while let entry = doomed.popLast() {
      let handle = entry.port.handle
      release(entry)
      if entry.isUplink { plugin.uplinkDown(handle) }
    }
    while let port = ended.popLast() {
      guard let entry = entries[port.id], entry.port === port else { continue }
      // The supervisor's uplinks have ids that it assigned.
      let isPeer = entry.isUplink && port.id < Self.firstOwnID
      let who = !isPeer ? "guest" : entry.kind == CardWires.kind ? "network card" : "peer"
      let reason = port.end?.words(who) ?? "the link ended"
      log.info("ports", "\(who) \(label(port)) is gone: \(reason)")
      let handle = port.handle
      release(entry)
      if entry.isUplink, !isPeer {
        plugin.uplinkDown(handle)
        if plugin.tap?.name == port.name { onTapLost(port.name) }
      } else if port.id >= Self.firstOwnID {
        emit(.guestGone(id: port.id))
      } else {
        emit(.portGone(id: port.id, reason: reason))
      }
    }
    if capture.isActive {
      for id in capture.flush() { log.info("capture", "the reader of capture \(id) is gone") }
      if !capture.isActive { setCapture(nil) }
    }
    letGo()
    return capture.isBehind ? MonotonicClock.now() &+ Self.captureRetry : .max
  }

  private func letGo() {
    guard !graveyard.isEmpty else { return }
    for entry in graveyard { entry.port.close() }
    graveyard.removeAll()
  }

  // MARK: Captures

  func startCapture(_ spec: CaptureSpec, fd: Int32) {
    capture.add(id: spec.id, fd: fd, snapLength: max(0, spec.snapLength))
    setCapture(capture)
  }

  func stopCapture(_ id: UInt64) throws(HostError) {
    guard let lost = capture.remove(id: id) else {
      throw HostError(.notFound, "there is no capture \(id)")
    }
    log.info(
      "capture",
      "capture \(id) ended; its reader was too slow for \(lost) frame\(lost == 1 ? "" : "s")")
    if !capture.isActive { setCapture(nil) }
  }

  private func setCapture(_ capture: Capture?) {
    for entry in entries.values where !entry.isUplink { entry.port.capture = capture }
  }

  func label(_ port: Port) -> String {
    port.name.isEmpty ? "\(port.id)" : "\(port.id) (\(port.name))"
  }
}

extension PollEvents {
  init(_ interest: PortInterest) {
    self.init(rawValue: interest.rawValue)
  }
}
