// SPDX-License-Identifier: Apache-2.0
//
// Forwards that cannot be at present, because a port is taken or an address not there yet, and are tried again until they
// can: those that worked before the network's process was started anew, and those that somebody wants kept (instances).
// They are listed with their reason. While the network is at rest they wait for its start.

import HostProtocol

/// A forward that somebody wants as soon as it can be.
struct WaitingForward {
  let owner: String
  /// Its `state` is `waiting`, or `failed` where trying again with the same process makes no sense; its `error` is why it
  /// cannot be now, nil before it was tried.
  var forward: Forward

  var key: ExposedKey { ExposedKey(forward) }
  var isFinal: Bool { forward.state == .failed }

  /// The same forward, whatever became of it.
  func isSame(as other: WaitingForward) -> Bool {
    owner == other.owner && forward.isSame(as: other.forward) && forward.leads(as: other.forward)
  }
}

extension Network {
  /// As many are tried in one turn.
  private static let perTurn = 64

  /// Has `owner` have these forwards, as soon as each can be, and no others. What it has and wants still is left as it is,
  /// with its connections.
  func setForwards(_ wanted: [Forward], of owner: String) {
    var missing = wanted
    func isWanted(_ forward: Forward) -> Bool {
      let index = missing.firstIndex { $0.isSame(as: forward) && $0.leads(as: forward) }
      guard let index else { return false }
      missing.remove(at: index)
      return true
    }
    let own = forwards.filter { forwardOwners[ExposedKey($0)] == owner }
    for forward in own where !isWanted(forward) { removeForward(forward) { _ in } }
    waitingForwards.removeAll { $0.owner == owner && !isWanted($0.forward) }
    guard !missing.isEmpty else { return }
    for forward in missing { keep(forward, of: owner) }
    if waitingForwards.contains(where: { !$0.isFinal }) { forwardRetry.begin() }
    if state == .running { retry([], ArraySlice(missing.map { ExposedKey($0) })) }
  }

  private func keep(_ forward: Forward, of owner: String) {
    var kept = forward
    kept.state = .waiting
    kept.error = nil
    do throws(ErrorReport) { _ = try forward.spec(needsGuest: true) } catch {
      log(.warning, "\(owner): \(error.message)")
      kept.error = error.message
      kept.state = .failed
    }
    waitingForwards.append(WaitingForward(owner: owner, forward: kept))
  }

  /// What is asked of the host's system may be possible later; what makes no sense does not become sensible.
  static func mayPass(_ code: String) -> Bool {
    switch HostError.Code(rawValue: code) {
    case .exists, .system, .limit, .busy, .timeout, .internal: true
    default: false
    }
  }

  /// Those that worked once and do not now.
  func forwardFailed(_ key: ExposedKey, _ error: HostError) {
    guard let index = forwards.firstIndex(where: { ExposedKey($0) == key }) else { return }
    let again = Self.mayPass(error.code.rawValue)
    if forwards[index].error != error.message {
      log(
        .error,
        "the forward \(key.protocol) \(key.host) does not work any more: \(error)"
          + (again ? "; it is tried again" : ""))
    }
    forwards[index].error = error.message
    forwards[index].state = again ? .waiting : .failed
    if again { forwardRetry.begin() }
  }

  /// Tries all that wait, a few in a turn.
  /// - Parameter anew: also those for which it made no sense with the process before.
  func retryForwards(anew: Bool = false) {
    let waiting = waitingForwards.filter { anew || !$0.isFinal }.map(\.key)
    let broken = forwards.filter { $0.error != nil }.map { ExposedKey($0) }
    guard !waiting.isEmpty || !broken.isEmpty else { return forwardRetry.rest() }
    if state == .running { retry(broken[...], waiting[...]) }
    forwardRetry.goOn()
  }

  private func retry(_ broken: ArraySlice<ExposedKey>, _ waiting: ArraySlice<ExposedKey>) {
    guard state == .running, let link else { return }
    for key in broken.prefix(Self.perTurn) { retryBroken(key, link) }
    for key in waiting.prefix(Self.perTurn) { retryWaiting(key, link) }
    let (broken, waiting) = (broken.dropFirst(Self.perTurn), waiting.dropFirst(Self.perTurn))
    guard !broken.isEmpty || !waiting.isEmpty else { return }
    context.loop.schedule(after: 1_000_000) { [weak self] in self?.retry(broken, waiting) }
  }

  private func retryBroken(_ key: ExposedKey, _ link: HostLink) {
    guard let forward = forwards.first(where: { ExposedKey($0) == key }), forward.error != nil,
      let spec = try? forward.spec(needsGuest: true), forwardsTried.insert(key).inserted
    else { return }
    expose(spec, on: link) { [weak self] reply in
      guard let self else { return }
      forwardsTried.remove(key)
      guard !link.hasEnded, let index = forwards.firstIndex(where: { ExposedKey($0) == key })
      else { return }
      switch reply {
      case .success:
        forwards[index].error = nil
        forwards[index].state = nil
        log(.notice, "the forward \(key.protocol) \(key.host) works again")
      case .failure(let error):
        forwards[index].error = error.message
        forwards[index].state = Self.mayPass(error.code.rawValue) ? .waiting : .failed
      }
    }
  }

  private func retryWaiting(_ key: ExposedKey, _ link: HostLink) {
    // Of several that want one address the first gets it.
    let first = waitingForwards.first { waiting in
      waiting.key == key && (try? waiting.forward.spec(needsGuest: true)) != nil
    }
    guard let waiting = first, let spec = try? waiting.forward.spec(needsGuest: true)
    else { return }
    if let taken = whyTaken(waiting.forward) {
      for index in waitingForwards.indices where waitingForwards[index].key == key {
        cannotBe(index, taken)
      }
      return
    }
    guard forwardsTried.insert(key).inserted else { return }
    expose(spec, on: link) { [weak self] reply in
      guard let self else { return }
      forwardsTried.remove(key)
      guard !link.hasEnded else { return }
      guard let index = waitingForwards.firstIndex(where: { $0.isSame(as: waiting) }) else {
        // Nobody wants it any more; somebody may want the address for something else.
        if case .success = reply { withdraw(spec, from: link) }
        return retryWaiting(key, link)
      }
      switch reply {
      case .success:
        waitingForwards.remove(at: index)
        var open = waiting.forward
        open.error = nil
        open.state = nil
        forwards.append(open)
        forwardOwners[key] = waiting.owner
        log(.info, "forwards \(open.protocol) \(open.host) to \(open.guest ?? "")")
        forwardsChanged()
        // Others of the same address are told whose it is.
        retryWaiting(key, link)
      case .failure(let error):
        cannotBe(index, report(error))
      }
    }
  }

  /// A forward that waits cannot be now; said once for each reason.
  private func cannotBe(_ index: Int, _ error: ErrorReport) {
    waitingForwards[index].forward.state = Self.mayPass(error.code) ? .waiting : .failed
    guard waitingForwards[index].forward.error != error.message else { return }
    waitingForwards[index].forward.error = error.message
    log(.warning, "\(waitingForwards[index].owner): \(error.message)")
  }
}
