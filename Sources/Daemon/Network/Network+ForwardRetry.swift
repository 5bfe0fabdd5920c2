// SPDX-License-Identifier: Apache-2.0
//
// Forwards that cannot be at present, because a port is taken or an address not there yet, and are tried again until they
// can: those that worked before the network's process was started anew, and those that somebody wants kept (instances).
// They are listed with their reason. While the network is at rest they wait for its start.

import HostProtocol

/// A forward that somebody wants as soon as it can be.
struct WaitingForward {
  let owner: String
  /// Its `error` is why it cannot be now.
  var forward: Forward
  /// Trying again with the same process makes no sense.
  var isFinal: Bool
  /// Told when it is open (nil), and why it is not.
  let onChange: (String?) -> Void

  var key: ExposedKey { ExposedKey(forward) }
}

extension Network {
  /// As many are tried in one turn.
  private static let perTurn = 64

  /// Adds a forward, now or as soon as it can be, until it is removed or `dropWaiting` is called.
  func keepForward(_ forward: Forward, owner: String, onChange: @escaping (String?) -> Void) {
    addForward(forward) { [weak self] result in
      guard let self else { return }
      switch result {
      case .success(let open):
        forwardOwners[ExposedKey(open)] = owner
        onChange(nil)
      case .failure(let error):
        var kept = forward
        kept.error = error.message
        log(.warning, "\(owner): \(error.message)")
        waitingForwards.append(
          WaitingForward(
            owner: owner, forward: kept, isFinal: !Self.mayPass(error.code), onChange: onChange))
        if Self.mayPass(error.code) { forwardRetry.begin() }
        onChange(error.message)
      }
    }
  }

  /// Gives up those that `owner` waits for; at one address only, if that is given.
  func dropWaiting(of owner: String, _ key: ExposedKey? = nil) {
    waitingForwards.removeAll { $0.owner == owner && (key == nil || $0.key == key) }
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
    link.request(.expose(spec)) { [weak self] reply in
      guard let self else { return }
      forwardsTried.remove(key)
      guard !link.hasEnded, let index = forwards.firstIndex(where: { ExposedKey($0) == key })
      else { return }
      switch reply {
      case .success:
        forwards[index].error = nil
        log(.notice, "the forward \(key.protocol) \(key.host) works again")
      case .failure(let error):
        forwards[index].error = error.message
      }
    }
  }

  private func retryWaiting(_ key: ExposedKey, _ link: HostLink) {
    // Of several that want one address the first gets it.
    guard let waiting = waitingForwards.first(where: { $0.key == key }),
      !forwards.contains(where: { ExposedKey($0) == key }),
      let spec = try? waiting.forward.spec(needsGuest: true), forwardsTried.insert(key).inserted
    else { return }
    link.request(.expose(spec)) { [weak self] reply in
      guard let self else { return }
      forwardsTried.remove(key)
      guard !link.hasEnded else { return }
      let index = waitingForwards.firstIndex {
        $0.key == key && $0.owner == waiting.owner && $0.forward.guest == waiting.forward.guest
      }
      guard let index else {
        // Nobody wants it any more.
        if case .success = reply { link.request(.unexpose(spec)) }
        return
      }
      switch reply {
      case .success:
        waitingForwards.remove(at: index)
        var open = waiting.forward
        open.error = nil
        forwards.append(open)
        forwardOwners[key] = waiting.owner
        log(.info, "forwards \(open.protocol) \(open.host) to \(open.guest ?? "")")
        waiting.onChange(nil)
      case .failure(let error):
        let report = report(error)
        waitingForwards[index].isFinal = !Self.mayPass(report.code)
        guard waitingForwards[index].forward.error != report.message else { return }
        waitingForwards[index].forward.error = report.message
        waiting.onChange(report.message)
      }
    }
  }
}
