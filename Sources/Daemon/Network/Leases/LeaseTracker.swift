// SPDX-License-Identifier: Apache-2.0
//
// LeaseTracker: follows the leases of a running network: for Lima's leases.json, and for instances whose forwards wait
// for an address. The process tells when they change, as far as its plugin does. It is asked then, soon after a guest
// came, at growing intervals, and once more when it stops. Loop thread.

import HostProtocol
import Platform

/// What the tracker asks of its network, and tells it.
protocol LeaseSurroundings: AnyObject {
  var hasGuests: Bool { get }
  /// Somebody but an observer has a use for the leases.
  var needsLeases: Bool { get }
  /// Lima's file of them; nil: the network has none.
  var leaseFiles: UsernetFiles? { get }
  /// The address of the network's gateway; nil: not known.
  var router: String? { get }
  /// The guests of these addresses, and no others, were here and have left.
  func guestsAreAbsent(_ addresses: Set<String>)
  /// - Parameter trouble: why Lima's file of them cannot be written; nil: it can again.
  func leasesAreKept(_ trouble: String?)
}

/// Somebody who follows the leases of a network.
struct LeaseObserver {
  /// Whether it waits for one that is not there yet.
  var isWaiting: () -> Bool
  var onLeases: ([LeaseReport]) -> Void
}

final class LeaseTracker {
  weak var network: (any LeaseSurroundings)?

  private let core: NetworkCore
  private var observers: [String: LeaseObserver] = [:]
  /// What Lima's file has.
  private var kept: [String: String] = [:]
  /// Of many leases the file is a thread's to write. What it could not write shows at the next listing.
  private typealias Writer = WorkerPool<(UsernetFiles, [String: String]), SystemError?>
  private var writer: Writer?
  private var writes: UInt64 = 0
  /// Addresses of guests that are or were here; at most `maximumRemembered` and one listing.
  var seen: Set<String> = []
  /// Of those that have left.
  var absent: Set<String> = []
  /// What guests that have leases call themselves, in lower case.
  var hostnames: Set<String> = []
  /// Why Lima's file is not as it should be.
  private var trouble: String?
  private var timer: EventLoop.TimerID?
  /// Nanoseconds until it is asked again.
  private var interval: UInt64 = 0
  /// One question at a time, whatever the process says how often.
  private var question = Question.none

  private enum Question {
    case none
    case asked
    /// The leases have changed since.
    case outdated
  }

  private static let soonest: UInt64 = 500_000_000
  private static let impatient: UInt64 = 1_000_000_000
  private static let latest: UInt64 = 60_000_000_000
  private static let maximumRemembered = 65536
  /// Leases whose file is written where they are listed: in a millisecond or two.
  private static let few = 256
  /// Milliseconds the end waits for the thread.
  private static let patience = 1000

  init(_ core: NetworkCore) { self.core = core }

  deinit { writer?.stop(within: Self.patience) }

  // MARK: When to ask

  /// A process runs that was asked nothing yet.
  func begin() {
    question = .none
    watch()
  }

  /// Something may change soon: a guest came, or somebody waits for one.
  func watch() {
    rest()
    interval = Self.soonest
    if core.running != nil, isFollowed { schedule() }
  }

  /// Unless it is asked regularly already.
  func watchIfIdle() {
    if timer == nil, isFollowed { watch() }
  }

  /// Asks no more by itself.
  func rest() {
    if let timer { core.loop.cancel(timer) }
    timer = nil
  }

  private var isFollowed: Bool { !observers.isEmpty || network?.needsLeases == true }

  private func schedule() {
    timer = core.loop.schedule(after: interval) { [weak self] in
      guard let self else { return }
      timer = nil
      guard let link = core.running else { return }
      interval = min(interval * 2, Self.latest)
      // A guest that boots asks for its address late, and somebody waits for that.
      if network?.hasGuests == true, observers.values.contains(where: { $0.isWaiting() }) {
        interval = min(interval, Self.impatient)
      }
      schedule()
      ask(link)
    }
  }

  /// - Parameter observer: nil: the owner follows them no longer.
  func follow(_ owner: String, _ observer: LeaseObserver?) {
    observers[owner] = observer
    if observer != nil { watch() }
  }

  /// Something changed just now.
  func changed() {
    guard let link = core.running, isFollowed else { return }
    guard question == .none else { return question = .outdated }
    ask(link)
  }

  // MARK: Asking

  /// Of a process that runs, or is about to end.
  func ask(_ link: HostLink) {
    question = .asked
    // Before this returns: what is sent next may be the word to end.
    let first = link.send(.listLeases)
    core.begin { [self] in
      let leases = try? await list(link, first)
      guard core.running == nil || core.running === link else { return }
      let isOutdated = question == .outdated
      question = .none
      if let leases { took(leases) }
      if isOutdated { changed() }
    }
  }

  /// The leases as they are now.
  func took(_ leases: [LeaseReport]) {
    if let files = network?.leaseFiles { keep(leases, in: files) }
    // An address nobody ever had is somebody's who configured it by hand, for all that is known.
    hostnames = Set(
      leases.lazy.filter { !$0.isAbsent }.compactMap { $0.hostname?.lowercased() }
        .filter { !$0.isEmpty }.prefix(Self.maximumRemembered))
    let present = Set(leases.filter { !$0.isAbsent }.map(\.address))
    if seen.count < Self.maximumRemembered { seen.formUnion(present) }
    let gone = seen.subtracting(present)
    if gone != absent {
      absent = gone
      network?.guestsAreAbsent(gone)
    }
    for observer in observers.values { observer.onLeases(leases) }
  }

  private func keep(_ leases: [LeaseReport], in files: UsernetFiles) {
    for outcome in (writer?.take() ?? []).map(\.outcome) {
      if let error = outcome { notKept(error) } else { areKept() }
    }
    let map = LimaLeases.map(leases, gateway: network?.router)
    guard map != kept else { return }
    // Once there is a thread it writes all of them, in order.
    if map.count > Self.few || writer != nil {
      let writer = self.writer ?? Writer(threads: 1, queue: 1, work: Self.write, notify: {})
      self.writer = writer
      writes += 1
      if !writer.submit(writes, (files, map)) {
        // What waits for the thread is out of date.
        writer.withdraw(writes - 1)
        guard writer.submit(writes, (files, map)) else { return }
      }
      kept = map
      return
    }
    do throws(SystemError) {
      try files.keep(map)
      kept = map
      areKept()
    } catch {
      notKept(error)
    }
  }

  private func areKept() {
    guard trouble != nil else { return }
    trouble = nil
    network?.leasesAreKept(nil)
  }

  private func notKept(_ error: SystemError) {
    kept = [:]
    let text = "leases are not kept: \(FileTrouble(error)?.message ?? "\(error)")"
    if text != trouble { core.log(.warning, text) }
    trouble = text
    network?.leasesAreKept(text)
  }

  /// [any thread]
  private static func write(_ job: (UsernetFiles, [String: String])) -> SystemError? {
    do throws(SystemError) {
      try job.0.keep(job.1)
      return nil
    } catch {
      return error
    }
  }

  /// Empty when the network does not run.
  func list() async throws(ErrorReport) -> [LeaseReport] {
    guard let link = core.running else { return [] }
    do throws(HostError) { return try await list(link, link.send(.listLeases)) } catch {
      // A plugin that gives no addresses has no leases.
      if error.code == .unsupported { return [] }
      throw core.report(error)
    }
  }

  private func list(
    _ link: HostLink, _ first: HostLink.Answer
  ) async throws(HostError) -> [LeaseReport] {
    try await link.list(from: first, of: PluginLease.self).map { $0.report(network: core.name) }
  }
}

/// An element of lnd_plugin_lease.list.
private struct PluginLease: Decodable {
  var address: String
  var mac: String?
  var name: String?
  var hostname: String?
  var state: String?
  var expires: Int?

  func report(network: String) -> LeaseReport {
    LeaseReport(
      network: network, address: address, mac: mac, name: name, hostname: hostname, state: state,
      expires: expires)
  }
}
