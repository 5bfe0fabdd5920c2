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
  func whenRunning(_ waiter: @escaping HostLink.Waiter)
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
  typealias Answer = (Result<Void, ErrorReport>) -> Void

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
  func list(answer: @escaping ([Forward]) -> Void) {
    guard let link = core.running else { return answer(listed) }
    link.list(.listForwards, of: Forward.self) { [weak self] reply in
      guard let self else { return }
      var result = listed
      if case .success(let live) = reply {
        let counts = Dictionary(live.lazy.map { (ForwardKey($0), $0.connections) }) { one, _ in one
        }
        for index in result.indices where result[index].error == nil {
          result[index].connections = counts[ForwardKey(result[index])] ?? nil
        }
      }
      answer(result)
    }
  }

  // MARK: One by one

  /// Starts the network if need be, so that an address that is taken is an answer and not a surprise later. The answer
  /// has the port that was chosen where port 0 was asked for.
  /// - Parameter keeps: it outlives the daemon.
  func add(
    _ asked: Forward, keeps: Bool = false,
    answer: @escaping (Result<Forward, ErrorReport>) -> Void
  ) {
    listen(asked) { [weak self] result in
      if keeps, case .success(let forward) = result { self?.network?.keep(forward.asKept) }
      answer(result)
    }
  }

  private func listen(
    _ asked: Forward, answer: @escaping (Result<Forward, ErrorReport>) -> Void
  ) {
    let forward = asked.canonical
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: true) } catch {
      return answer(.failure(error))
    }
    if let taken = whyTaken(forward) { return answer(.failure(taken)) }
    network?.whenRunning { [weak self] result in
      switch result {
      case .failure(let error): answer(.failure(error))
      case .success(let link): self?.add(forward, spec, on: link, answer)
      }
    }
  }

  private func add(
    _ forward: Forward, _ spec: ForwardSpec, on link: HostLink,
    _ answer: @escaping (Result<Forward, ErrorReport>) -> Void
  ) {
    guard forward.guestName.isEmpty || network?.isIsolated == true else {
      return answer(
        .failure(
          core.report(
            .invalidConfig,
            "its guests have addresses of their own: leave the name of the guest out")))
    }
    expose(spec, on: link) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success:
        var kept = forward
        kept.connections = nil
        kept.state = nil
        kept.reason = nil
        kept.error = nil
        findPort(kept, link) { answer(.success(self.shown(self.keep($0)))) }
      case .failure(let error):
        answer(.failure(core.report(error)))
      }
    }
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

  private func keep(_ forward: Forward) -> Forward {
    table.insert(forward)
    opened(forward)
    return forward
  }

  private func opened(_ forward: Forward) {
    core.log(.info, "forwards \(forward.protocol) \(forward.host) to \(forward.guest ?? "")")
    network?.forwardsChanged()
  }

  /// Port 0 stands for one of the system's choice: it is kept, listed and taken back by that one.
  private func findPort(
    _ forward: Forward, _ link: HostLink, _ then: @escaping (Forward) -> Void
  ) {
    guard let address = forward.addressOfPortZero else { return then(forward) }
    link.list(.listForwards, of: Forward.self) { [weak self] reply in
      var found = forward
      if let self, case .success(let live) = reply {
        let new = live.last { candidate in
          candidate.protocol == forward.protocol && candidate.host.hasPrefix(address)
            && candidate.guest == forward.guest && candidate.guestName == forward.guestName
            && !self.contains(candidate)
        }
        if let new { found.host = new.host }
      }
      then(found)
    }
  }

  func remove(_ asked: Forward, answer: @escaping Answer) {
    let forward = asked.canonical
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: false) } catch {
      return answer(.failure(error))
    }
    guard table.remove(ForwardKey(forward)) else {
      // One that waits is taken back as well.
      if table.removeWaiting(ForwardKey(forward)) { return answer(.success(())) }
      return answer(
        .failure(
          ErrorReport(
            .notFound,
            "network \(core.name) has no forward \(forward.protocol) \(forward.host)")))
    }
    network?.forget(forward)
    core.log(.info, "no longer forwards \(forward.protocol) \(forward.host)")
    if spec.protocol == .unix { sockets.close(spec.host) }
    guard let link = core.running else { return answer(.success(())) }
    link.request(.unexpose(spec)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success: answer(.success(()))
      case .failure(let error): answer(.failure(core.report(error)))
      }
      // Somebody may have waited for the address.
      retry.soon()
    }
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
    for forward in unwanted { remove(forward) { _ in } }
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
      expose(spec, on: link) { [weak self] reply in
        guard let self, !link.hasEnded else { return }
        switch reply {
        case .success: table.mark(key, error: nil, state: nil)
        case .failure(let error): failed(key, error)
        }
      }
    }
    if !table.waiting.isEmpty { tryAgain(anew: true) }
  }

  /// The network is at rest: nobody would answer at the sockets of unix forwards.
  func closeSockets() { sockets.closeAll() }

  /// Has the process listen for a forward. Of a unix forward it gets the socket; one that it refuses is closed.
  private func expose(
    _ spec: ForwardSpec, on link: HostLink, answer: @escaping (HostLink.Answer) -> Void
  ) {
    guard spec.protocol == .unix else { return link.request(.expose(spec), answer: answer) }
    do throws(HostError) {
      let fd = try sockets.socket(at: spec.host)
      link.request(.expose(spec), fds: [fd]) { [weak self] reply in
        if case .failure = reply, !link.hasEnded { self?.sockets.close(spec.host) }
        answer(reply)
      }
    } catch {
      answer(.failure(error))
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
    expose(spec, on: link) { [weak self] reply in
      guard let self else { return }
      tried.remove(key)
      guard !link.hasEnded, table[key] != nil else { return }
      switch reply {
      case .success:
        table.mark(key, error: nil, state: nil)
        core.log(.notice, "the forward \(key.protocol) \(key.host) works again")
      case .failure(let error):
        let again = Self.mayPass(error.code.rawValue)
        table.mark(key, error: error.message, state: again ? .waiting : .failed)
      }
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
    expose(spec, on: link) { [weak self] reply in
      guard let self else { return }
      tried.remove(key)
      guard !link.hasEnded else { return }
      guard table.isWaiting(waiting) else {
        // Nobody wants it any more; somebody may want the address for something else.
        if case .success = reply { withdraw(spec, from: link) }
        return retryWaiting(key, link)
      }
      switch reply {
      case .success:
        table.promote(waiting)
        opened(waiting.forward)
        // Others of the same address are told whose it is.
        retryWaiting(key, link)
      case .failure(let error):
        refused(waiting, core.report(error))
      }
    }
  }

  /// Takes a forward back that nobody wants any more.
  private func withdraw(_ spec: ForwardSpec, from link: HostLink) {
    link.request(.unexpose(spec))
    if spec.protocol == .unix { sockets.close(spec.host) }
  }

  /// A forward that waits cannot be now; said once for each reason.
  private func refused(_ waiting: WaitingForward, _ error: ErrorReport) {
    let isNew = table.refuse(waiting, error: error.message, mayPass: Self.mayPass(error.code))
    if isNew { core.log(.warning, "\(waiting.owner): \(error.message)") }
  }
}
