// SPDX-License-Identifier: Apache-2.0
//
// ForwardRegistry: the forwards of a network. The supervisor keeps the list, so that they are there again after a crash
// or a stop; the plugin listens while the network runs. Those that cannot be at present, because a port is taken or an
// address not there yet, are listed with their reason and tried again until they can: those that worked before the
// process was started anew, and those that somebody wants kept (instances). While the network is at rest they wait for
// its start. Loop thread.

import HostProtocol
import Platform

/// What the registry asks of its network, and tells it.
protocol ForwardSurroundings: AnyObject {
  /// Starts the network if it is at rest.
  func whenRunning() -> Promise<HostLink, ErrorReport>
  /// All guests have the same address, and a forward names its guest.
  var isIsolated: Bool { get }
  /// Why a forward that has no fault of its own leads nowhere; nil when it does lead somewhere, or that is not known.
  func whyAway(_ forward: Forward) -> String?
  /// There is one more.
  func forwardsChanged()
  /// It outlives the daemon.
  func keep(_ forward: Forward)
  /// It does no longer. Idempotent.
  func forget(_ forward: Forward)
}

final class ForwardRegistry {
  weak var network: (any ForwardSurroundings)?

  private let core: NetworkCore
  var table = ForwardTable()
  /// Those that the process is asked for again just now.
  private var tried: Set<ForwardKey> = []
  /// Of owners that do not know yet where to.
  var awaited: [String: [Forward]] = [:]
  let sockets = UnixListeners()
  lazy var retry = ForwardRetry(loop: core.loop) { [weak self] in self?.tryAgain() }

  /// As many are tried in one turn of the loop.
  private static let perTurn = 64

  init(_ core: NetworkCore) { self.core = core }

  // MARK: Lists

  /// Opened once, in the order in which they were.
  var open: [Forward] { table.open }

  /// Wanted as soon as they can be.
  var waiting: [WaitingForward] { table.waiting }

  func contains(_ forward: Forward) -> Bool { table[ForwardKey(forward)] != nil }

  /// All of them, those that wait included, each with its state and the reason.
  var listed: [Forward] {
    (table.open + table.waiting.map(\.forward)).map(shown)
      + awaited.sorted { $0.key < $1.key }.flatMap(\.value)
  }

  /// Has `owner` be listed with forwards that lead to nobody yet: it does not know its guest's address.
  func announce(_ forwards: [Forward], of owner: String, reason: String) {
    awaited[owner] =
      forwards.isEmpty
      ? nil
      : forwards.map { forward in
        var shown = forward
        shown.state = .waiting
        shown.reason = reason
        return shown
      }
  }

  /// Those that were kept when the daemon ended. They are tried when the network starts.
  func restore(_ forwards: [Forward]) {
    for forward in forwards.prefix(ForwardTable.maximum) { table.insert(forward) }
  }

  /// Those that `owner` wants.
  func listed(of owner: String) -> [Forward] {
    let own = table.all(of: owner)
    return (own.open + own.waiting).map(shown)
  }

  /// With its state and the reason.
  private func shown(_ forward: Forward) -> Forward {
    var shown = forward
    shown.reason = forward.error ?? network?.whyAway(forward)
    if shown.reason == nil, forward.state != nil { shown.reason = "it is about to be opened" }
    shown.state = forward.state ?? (shown.reason == nil ? .open : .waiting)
    if forward.error == nil, let lost = whyLost(forward) {
      shown.state = .failed
      shown.reason = lost
    }
    return shown
  }

  /// Why nobody finds the socket of a unix forward, which listens all the same; nil: they do. Looked at when it is shown:
  /// nobody tells when a file goes.
  private func whyLost(_ forward: Forward) -> String? {
    guard forward.protocol == ForwardSpec.Transport.unix.rawValue,
      let loss = sockets.loss(at: forward.host)
    else { return nil }
    let remedy: String
    if let owner = table.owner(of: ForwardKey(forward)) {
      remedy =
        "lima-netd network restart \(core.name) makes it anew, for \(owner), and ends the network's connections"
    } else {
      remedy = "lima-netd forward rm \(core.name) unix \(forward.host), and add it again"
    }
    switch loss {
    case .removed: return "somebody removed its socket's file: \(remedy)"
    case .replaced:
      return "somebody put another file in its socket's place: remove that, then \(remedy)"
    }
  }

  /// The list, with the plugin's counts while the network runs.
  func list() async -> [Forward] {
    guard let link = core.running,
      let live = try? await link.list(.listForwards, of: Forward.self)
    else { return listed }
    let counts = Dictionary(live.lazy.map { (ForwardKey($0), $0.connections) }) { one, _ in one }
    var result = listed
    for index in result.indices where result[index].error == nil {
      result[index].connections = counts[ForwardKey(result[index])] ?? nil
    }
    return result
  }

  // MARK: One by one

  /// Starts the network if need be, so that an address that is taken is an answer and not a surprise later. The answer
  /// has the port that was chosen where port 0 was asked for.
  /// - Parameter keeps: it outlives the daemon.
  func add(_ asked: Forward, keeps: Bool = false) async throws(ErrorReport) -> Forward {
    let forward = asked.canonical
    let spec = try forward.spec(needsGuest: true)
    if let taken = whyTaken(forward) { throw taken }
    guard let network else { throw core.report(.notFound, "it is gone") }
    let link = try await network.whenRunning().value()
    guard forward.guestName.isEmpty || network.isIsolated else {
      throw core.report(
        .invalidConfig, "its guests have addresses of their own: leave the name of the guest out")
    }
    do throws(HostError) { try await expose(spec, on: link) } catch { throw core.report(error) }
    var open = forward
    open.connections = nil
    open.state = nil
    open.reason = nil
    open.error = nil
    open = await withPort(open, link)
    table.insert(open)
    opened(open)
    open = shown(open)
    if keeps { network.keep(open.asKept) }
    return open
  }

  /// Why there cannot be another forward like this beside those that are open; nil: there can.
  private func whyTaken(_ forward: Forward) -> ErrorReport? {
    let key = ForwardKey(forward)
    if let known = table[key] {
      let owner = table.owner(of: key).map { " (for \($0))" } ?? ""
      return ErrorReport(
        .exists,
        "network \(core.name) forwards \(forward.protocol) \(forward.host) already, to "
          + "\(known.guest ?? "")\(owner): remove that forward first")
    }
    guard table.open.count >= ForwardTable.maximum else { return nil }
    return ErrorReport(
      .limit, "network \(core.name) has \(Plural.text(table.open.count, "forward")) already")
  }

  private func opened(_ forward: Forward) {
    core.log(.info, "forwards \(forward.protocol) \(forward.host) to \(forward.guest ?? "")")
    network?.forwardsChanged()
  }

  /// Port 0 stands for one of the system's choice: it is kept, listed and taken back by that one.
  private func withPort(_ forward: Forward, _ link: HostLink) async -> Forward {
    guard let address = forward.addressOfPortZero,
      let live = try? await link.list(.listForwards, of: Forward.self)
    else { return forward }
    let new = live.last { candidate in
      candidate.protocol == forward.protocol && candidate.host.hasPrefix(address)
        && candidate.guest == forward.guest && candidate.guestName == forward.guestName
        && !contains(candidate)
    }
    var found = forward
    if let new { found.host = new.host }
    return found
  }

  func remove(_ asked: Forward) async throws(ErrorReport) {
    guard let closed = try close(asked) else { return }
    // Somebody may have waited for the address.
    defer { retry.soon() }
    do throws(HostError) { _ = try await closed.value() } catch { throw core.report(error) }
  }

  /// Takes a forward out of the list, and has the process listen no more.
  /// - Returns: what the process says; nil: there is none to ask.
  private func close(_ asked: Forward) throws(ErrorReport) -> HostLink.Answer? {
    let forward = asked.canonical
    let spec = try forward.spec(needsGuest: false)
    guard table.remove(ForwardKey(forward)) else {
      // One that waits is taken back as well.
      if table.removeWaiting(ForwardKey(forward)) { return nil }
      throw ErrorReport(
        .notFound, "network \(core.name) has no forward \(forward.protocol) \(forward.host)")
    }
    network?.forget(forward)
    core.log(.info, "no longer forwards \(forward.protocol) \(forward.host)")
    if spec.protocol == .unix { sockets.close(spec.host) }
    return core.running?.send(.unexpose(spec))
  }

  // MARK: Those of an owner

  /// One that was added by hand is the owner's from now on.
  func give(_ forward: Forward, to owner: String) {
    table.give(ForwardKey(forward), to: owner)
  }

  /// Has `owner` have these forwards, as soon as each can be, and no others. What it has and wants still is left as it is,
  /// with its connections.
  func set(_ wanted: [Forward], of owner: String) {
    let (unwanted, missing) = table.change(owner, to: wanted)
    for forward in unwanted {
      guard let closed = try? close(forward) else { continue }
      core.begin { [self] in
        _ = try? await closed.value()
        retry.soon()
      }
    }
    guard !missing.isEmpty else { return }
    for forward in missing { wait(forward, of: owner) }
    if table.waiting.contains(where: { !$0.isFinal }) { retry.begin() }
    retry([], ArraySlice(missing.map { ForwardKey($0) }))
  }

  private func wait(_ forward: Forward, of owner: String) {
    var fault: String?
    do throws(ErrorReport) { _ = try forward.spec(needsGuest: true) } catch {
      core.log(.warning, "\(owner): \(error.message)")
      fault = error.message
    }
    table.wait(forward, owner: owner, error: fault)
  }

  /// Nothing is wanted any more of those that wait.
  func retire() {
    table.removeAllWaiting()
    awaited = [:]
    retry.rest()
  }

  // MARK: The process

  /// Gives a new process the forwards of the one before, and has it try those that wait.
  func replay(to link: HostLink) {
    tried = []
    for forward in table.open {
      guard let spec = try? forward.spec(needsGuest: true) else { continue }
      let key = ForwardKey(forward)
      core.begin { [self] in
        do throws(HostError) {
          try await expose(spec, on: link)
          if !link.hasEnded { table.mark(key, error: nil, state: nil) }
        } catch {
          if !link.hasEnded { failed(key, error) }
        }
      }
    }
    if !table.waiting.isEmpty { tryAgain(anew: true) }
  }

  /// The network is at rest: nobody would answer at the sockets of unix forwards.
  func closeSockets() { sockets.closeAll() }

  /// Has the process listen for a forward. Of a unix forward it gets the socket; one that it refuses is closed.
  private func expose(_ spec: ForwardSpec, on link: HostLink) async throws(HostError) {
    let fds = spec.protocol == .unix ? [try sockets.socket(at: spec.host)] : []
    do throws(HostError) { _ = try await link.ask(.expose(spec), fds: fds) } catch {
      if spec.protocol == .unix, !link.hasEnded { sockets.close(spec.host) }
      throw error
    }
  }

  // MARK: Again

  /// What is asked of the host's system may be possible later; what makes no sense does not become sensible.
  private static func mayPass(_ code: String) -> Bool {
    switch HostError.Code(rawValue: code) {
    case .exists, .system, .limit, .busy, .timeout, .internal: true
    default: false
    }
  }

  /// One that worked once and does not now.
  private func failed(_ key: ForwardKey, _ error: HostError) {
    guard let forward = table[key] else { return }
    let again = Self.mayPass(error.code.rawValue)
    if forward.error != error.message {
      core.log(
        .error,
        "the forward \(key.protocol) \(key.host) does not work any more: \(error)"
          + (again ? "; it is tried again" : ""))
    }
    table.mark(key, error: error.message, state: again ? .waiting : .failed)
    if again { retry.begin() }
  }

  /// Tries all that wait, a few in a turn.
  /// - Parameter anew: also those for which it made no sense with the process before.
  private func tryAgain(anew: Bool = false) {
    let waiting = table.waiting.filter { anew || !$0.isFinal }.map(\.key)
    let broken = table.open.filter { $0.error != nil }.map { ForwardKey($0) }
    guard !waiting.isEmpty || !broken.isEmpty else { return retry.rest() }
    retry(broken[...], waiting[...])
    retry.goOn()
  }

  private func retry(_ broken: ArraySlice<ForwardKey>, _ waiting: ArraySlice<ForwardKey>) {
    guard let link = core.running else { return }
    for key in broken.prefix(Self.perTurn) { retryBroken(key, link) }
    for key in waiting.prefix(Self.perTurn) { retryWaiting(key, link) }
    let (broken, waiting) = (broken.dropFirst(Self.perTurn), waiting.dropFirst(Self.perTurn))
    guard !broken.isEmpty || !waiting.isEmpty else { return }
    core.loop.schedule(after: 1_000_000) { [weak self] in self?.retry(broken, waiting) }
  }

  private func retryBroken(_ key: ForwardKey, _ link: HostLink) {
    guard let forward = table[key], forward.error != nil,
      let spec = try? forward.spec(needsGuest: true), tried.insert(key).inserted
    else { return }
    core.begin { [self] in
      var failure: HostError?
      do throws(HostError) { try await expose(spec, on: link) } catch { failure = error }
      tried.remove(key)
      guard !link.hasEnded, table[key] != nil else { return }
      guard let failure else {
        table.mark(key, error: nil, state: nil)
        return core.log(.notice, "the forward \(key.protocol) \(key.host) works again")
      }
      let again = Self.mayPass(failure.code.rawValue)
      table.mark(key, error: failure.message, state: again ? .waiting : .failed)
    }
  }

  private func retryWaiting(_ key: ForwardKey, _ link: HostLink) {
    // Of several that want one address the first gets it.
    guard let waiting = table.firstWaiting(key),
      let spec = try? waiting.forward.spec(needsGuest: true)
    else { return }
    if let taken = whyTaken(waiting.forward) {
      for other in table.waiting where other.key == key { refused(other, taken) }
      return
    }
    guard tried.insert(key).inserted else { return }
    core.begin { [self] in
      var failure: HostError?
      do throws(HostError) { try await expose(spec, on: link) } catch { failure = error }
      tried.remove(key)
      guard !link.hasEnded else { return }
      guard table.isWaiting(waiting) else {
        // Nobody wants it any more; somebody may want the address for something else.
        if failure == nil { withdraw(spec, from: link) }
        return retryWaiting(key, link)
      }
      if let failure { return refused(waiting, core.report(failure)) }
      table.promote(waiting)
      opened(waiting.forward)
      // Others of the same address are told whose it is.
      retryWaiting(key, link)
    }
  }

  /// Takes a forward back that nobody wants any more.
  private func withdraw(_ spec: ForwardSpec, from link: HostLink) {
    link.send(.unexpose(spec))
    if spec.protocol == .unix { sockets.close(spec.host) }
  }

  /// A forward that waits cannot be now; said once for each reason.
  private func refused(_ waiting: WaitingForward, _ error: ErrorReport) {
    let isNew = table.refuse(waiting, error: error.message, mayPass: Self.mayPass(error.code))
    if isNew { core.log(.warning, "\(waiting.owner): \(error.message)") }
  }
}
