// SPDX-License-Identifier: Apache-2.0
//
// ForwardTable: the forwards of a network, as values: those that were opened once, and those that somebody wants as soon
// as each can be. Knows nothing of processes.

import HostProtocol

/// Which forward is meant: what tells one from another in a network.
struct ForwardKey: Hashable, Codable {
  let `protocol`: String
  let host: String

  init(_ forward: Forward) {
    self.init(protocol: forward.protocol, host: forward.host)
  }

  init(protocol: String, host: String) {
    self.protocol = `protocol`
    self.host = host
  }
}

/// A forward that somebody wants as soon as it can be.
struct WaitingForward: Codable {
  let owner: String
  /// Its `state` is `waiting`, or `failed` where trying again with the same process makes no sense; its `error` is why it
  /// cannot be now, nil before it was tried.
  var forward: Forward

  var key: ForwardKey { ForwardKey(forward) }
  var isFinal: Bool { forward.state == .failed }

  /// The same forward, whatever became of it.
  func isSame(as other: WaitingForward) -> Bool {
    owner == other.owner && forward.isSame(as: other.forward) && forward.leads(as: other.forward)
  }
}

struct ForwardTable: Codable {
  static let maximum = 4096

  /// Opened once. `error`, and `state` where that is set: what its process says of it now.
  private(set) var open: [Forward] = []
  private(set) var waiting: [WaitingForward] = []
  /// For whom an open one is, where somebody keeps it.
  private var owners: [ForwardKey: String] = [:]

  // MARK: Open ones

  subscript(key: ForwardKey) -> Forward? { open.first { ForwardKey($0) == key } }

  func owner(of key: ForwardKey) -> String? { owners[key] }

  /// Idempotent.
  mutating func insert(_ forward: Forward, owner: String? = nil) {
    let key = ForwardKey(forward)
    if self[key] == nil { open.append(forward) }
    if let owner { owners[key] = owner }
  }

  /// An open one is somebody's from now on.
  mutating func give(_ key: ForwardKey, to owner: String) {
    if self[key] != nil { owners[key] = owner }
  }

  /// - Returns: whether there was one.
  mutating func remove(_ key: ForwardKey) -> Bool {
    guard let index = open.firstIndex(where: { ForwardKey($0) == key }) else { return false }
    open.remove(at: index)
    owners[key] = nil
    return true
  }

  /// What its process says of it; nil and nil: it listens.
  mutating func mark(_ key: ForwardKey, error: String?, state: ForwardState?) {
    guard let index = open.firstIndex(where: { ForwardKey($0) == key }) else { return }
    open[index].error = error
    open[index].state = state
  }

  // MARK: Those that wait

  func firstWaiting(_ key: ForwardKey) -> WaitingForward? {
    waiting.first { $0.key == key && (try? $0.forward.spec(needsGuest: true)) != nil }
  }

  func isWaiting(_ wanted: WaitingForward) -> Bool { waiting.contains { $0.isSame(as: wanted) } }

  /// - Parameter error: nil: it was not tried yet.
  mutating func wait(_ forward: Forward, owner: String, error: String?) {
    var kept = forward
    kept.error = error
    kept.state = error == nil ? .waiting : .failed
    waiting.append(WaitingForward(owner: owner, forward: kept))
  }

  /// - Returns: whether the reason is another than before.
  mutating func refuse(_ refused: WaitingForward, error: String, mayPass: Bool) -> Bool {
    guard let index = waiting.firstIndex(where: { $0.isSame(as: refused) }) else { return false }
    let isNew = waiting[index].forward.error != error
    waiting[index].forward.state = mayPass ? .waiting : .failed
    waiting[index].forward.error = error
    return isNew
  }

  /// It listens.
  mutating func promote(_ opened: WaitingForward) {
    guard let index = waiting.firstIndex(where: { $0.isSame(as: opened) }) else { return }
    waiting.remove(at: index)
    var forward = opened.forward
    forward.error = nil
    forward.state = nil
    open.append(forward)
    owners[opened.key] = opened.owner
  }

  /// - Returns: whether one waited.
  mutating func removeWaiting(_ key: ForwardKey) -> Bool {
    let before = waiting.count
    waiting.removeAll { $0.key == key }
    return waiting.count < before
  }

  mutating func removeAllWaiting() { waiting = [] }

  // MARK: Owners

  /// What is to be done so that an owner has these and no others: what it has and wants still is left as it is.
  /// Those of its waiting ones that it wants no more are gone already.
  mutating func change(_ owner: String, to wanted: [Forward]) -> (
    unwanted: [Forward], missing: [Forward]
  ) {
    var missing = wanted
    func isWanted(_ forward: Forward) -> Bool {
      let index = missing.firstIndex { $0.isSame(as: forward) && $0.leads(as: forward) }
      guard let index else { return false }
      missing.remove(at: index)
      return true
    }
    let unwanted = all(of: owner).open.filter { !isWanted($0) }
    waiting.removeAll { $0.owner == owner && !isWanted($0.forward) }
    return (unwanted, missing)
  }

  func all(of owner: String) -> (open: [Forward], waiting: [Forward]) {
    (
      open.filter { owners[ForwardKey($0)] == owner },
      waiting.filter { $0.owner == owner }.map(\.forward)
    )
  }
}
