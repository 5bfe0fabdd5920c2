// SPDX-License-Identifier: Apache-2.0
//
// OVSPorts: the daemon's TAPs as ports of bridges of Open vSwitch. Its database outlives processes, TAPs and boots, so a port
// that was added is noted in a file before it is, until it is removed: what a daemon that was killed has left is removed by
// the next one. ovs-vsctl runs with this user's rights, one run at a time in the order asked for, so that a removal under way
// cannot meet the next addition. Loop thread.

import Platform

/// A port for as long as this is held.
final class OVSPort {
  private let tap: String
  private let ports: OVSPorts

  fileprivate init(_ tap: String, _ ports: OVSPorts) {
    self.tap = tap
    self.ports = ports
  }

  deinit { ports.remove(tap) }
}

package final class OVSPorts {
  /// Kept when it is one's turn.
  private typealias Turn = Promise<Void, Never>

  private let loop: EventLoop
  private let actor: LoopActor
  private let notes: OVSNotes
  private let log: (String) -> Void
  /// Finds ovs-vsctl; tests give their own.
  var program: () -> String? = { ProgramSearch.find(OVSCommand.program) }
  /// Whose turn it is, and those after it.
  private var turns: [Turn] = []
  private var whenIdle: [Promise<Void, Never>] = []
  /// Held now, or about to be.
  private var held: Set<String> = []

  /// A little more than ovs-vsctl's own.
  private static let time = (OVSCommand.patience + 2) * 1_000_000_000

  /// - Parameters:
  ///   - file: where ports are noted.
  ///   - log: what is wrong, for people.
  init(
    loop: EventLoop, actor: LoopActor, file: String,
    log: @escaping (String) -> Void = { _ in }
  ) {
    self.loop = loop
    self.actor = actor
    self.log = log
    notes = OVSNotes(file)
  }

  // MARK: Ports

  /// Makes the TAP a port, anew: what is left of an earlier device of the name would not carry its frames.
  func add(_ port: OVSCommand.Port) async throws(OVSFailure) -> OVSPort {
    held.insert(port.tap)
    await queue().value()
    defer { next() }
    do throws(OVSFailure) {
      try await make(port)
    } catch {
      held.remove(port.tap)
      throw error
    }
    return OVSPort(port.tap, self)
  }

  private func make(_ port: OVSCommand.Port) async throws(OVSFailure) {
    notes.insert(port.tap)
    let words: [String]
    do throws(OVSFailure) {
      try await run(OVSCommand.remove(port.tap))
      words = try OVSCommand.add(port, .transient)
    } catch {
      notes.remove(port.tap)
      throw error
    }
    do throws(OVSFailure) { try await run(words) } catch {
      // It may be in the database all the same.
      do throws(OVSFailure) {
        try await run(OVSCommand.remove(port.tap))
        notes.remove(port.tap)
      } catch {}
      throw error
    }
  }

  /// One that a supervisor before this one has made.
  func resume(_ tap: String) -> OVSPort {
    held.insert(tap)
    return OVSPort(tap, self)
  }

  /// No run is under way.
  var isIdle: Bool { turns.isEmpty }

  /// Sees to it that a TAP of `network setup` is the port that it was made. It stays one. Who may not ask Open vSwitch
  /// believes what root has set up.
  func confirm(_ port: OVSCommand.Port) async throws(OVSFailure) {
    await queue().value()
    defer { next() }
    let words = try OVSCommand.add(port, .found)
    do throws(OVSFailure) { try await run(words) } catch {
      switch error {
      case .denied, .noProgram: break
      default: throw error
      }
    }
  }

  /// Which bridge the database has it as a port of; nil: none.
  func bridge(of tap: String) async throws(OVSFailure) -> String? {
    await queue().value()
    defer { next() }
    let outcome = try await ask(OVSCommand.bridge(of: tap))
    return try OVSCommand.bridge(outcome.status, outcome.said).get()
  }

  /// Its turn comes in the order of these calls.
  fileprivate func remove(_ tap: String) {
    held.remove(tap)
    let turn = queue()
    actor.begin { [self] in
      await turn.value()
      defer { next() }
      do throws(OVSFailure) {
        try await run(OVSCommand.remove(tap))
        notes.remove(tap)
      } catch {
        log("\(tap) is still a port of Open vSwitch, until this daemon starts again: \(error)")
      }
    }
  }

  /// Removes what a daemon before this one has left. An interface that is there is somebody's: perhaps of a process that
  /// is about to end, so it is looked at again a few times.
  package func start() {
    notes.load()
    sweep(rounds: 10)
  }

  private func sweep(rounds: Int) {
    let left = notes.all.subtracting(held)
    var isLater = false
    for tap in left.sorted() {
      guard !Self.exists(tap) else {
        isLater = true
        continue
      }
      log("\(tap), which a lima-netd left as a port of Open vSwitch, is removed")
      remove(tap)
    }
    guard isLater, rounds > 1 else { return }
    loop.schedule(after: 2_000_000_000) { [weak self] in self?.sweep(rounds: rounds - 1) }
  }

  private static func exists(_ interface: String) -> Bool {
    #if os(Linux)
      guard var netlink = try? Netlink() else { return true }
      // What cannot be asked for may be there.
      do { return try netlink.hostTap(named: interface) != nil } catch { return true }
    #else
      return false
    #endif
  }

  /// Returns when nothing is under way. Each run is bounded in time.
  func settle() async {
    guard !turns.isEmpty else { return }
    let idle = Promise<Void, Never>()
    whenIdle.append(idle)
    await idle.value()
  }

  // MARK: Runs

  /// Whoever takes a turn gives it up by `next`.
  private func queue() -> Turn {
    let turn = Turn()
    turns.append(turn)
    if turns.count == 1 { turn.keep() }
    return turn
  }

  private func next() {
    turns.removeFirst()
    if let first = turns.first { return first.keep() }
    let waiting = whenIdle
    whenIdle = []
    for one in waiting { one.keep() }
  }

  private func run(_ words: [String]) async throws(OVSFailure) {
    let outcome = try await ask(words)
    if let failure = OVSCommand.failure(outcome.status, outcome.said) { throw failure }
  }

  private func ask(_ words: [String]) async throws(OVSFailure) -> LoopCommand.Outcome {
    guard let path = program() else { throw .noProgram }
    do throws(SystemError) {
      return try await LoopCommand.run([path] + words, within: Self.time, loop: loop)
    } catch {
      throw .system(error)
    }
  }
}
