// SPDX-License-Identifier: Apache-2.0
//
// CardWires: the guests of a network on a network card, each joined to its macvtap (CardWire), and the
// worker that gives a macvtap the guest's Ethernet address. Thread: loop only.

import Platform
import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

final class CardWires {
  /// Of ports, for `status`.
  static let kind = "macvtap"

  private struct Job: Sendable {
    /// A duplicate, closed by the worker: the port may be gone by then.
    var fd: Int32
    var mac: UInt64
  }

  private let learningSwitch: Switch
  private let log: HostLog
  private let pool: WorkerPool<Job, String?>
  /// By the guest's number.
  private var wires: [UInt64: CardWire] = [:]
  private var guestOfCard: [UInt64: UInt64] = [:]
  /// What guests were known by, for the next card after one that is gone.
  private var known: [UInt64: UInt64] = [:]
  private var jobs: [UInt64: (wire: CardWire, mac: UInt64)] = [:]
  private var lastJob: UInt64 = 0
  private var refusals = RateLimit(burst: 5, interval: 10_000_000_000)

  init(_ learningSwitch: Switch, waker: Waker, log: HostLog) {
    self.learningSwitch = learningSwitch
    self.log = log
    pool = WorkerPool(threads: 1, queue: 1024, work: Self.setAddress, notify: { waker.wake() })
  }

  /// Joins the two; the guest's card before this one was parted from it.
  func join(_ guest: Port, to card: Port) {
    if let old = wires[guest.id] { part(old.card.id) }
    // One that a process before this one had set outlives it.
    let has = Self.address(of: card.fd)
    let wire = CardWire(
      guest, card, address: has == card.mac ? 0 : has, learningSwitch: learningSwitch
    ) { [unowned self] wire, mac in begin(mac, on: wire) }
    wires[guest.id] = wire
    guestOfCard[card.id] = guest.id
    if wire.address == 0 { wire.expect(known[guest.id] ?? guest.mac) }
    log.info("ports", "guest \(guest.id) has a macvtap")
  }

  /// A guest or a card is gone. Idempotent.
  func part(_ id: UInt64) {
    let guest = guestOfCard.removeValue(forKey: id) ?? id
    guard let wire = wires[guest], wire.guest.id == id || wire.card.id == id else {
      if guest == id { known[id] = nil }
      return
    }
    wires[guest] = nil
    guestOfCard[wire.card.id] = nil
    known[guest] = guest == id || wire.address == 0 ? nil : wire.address
    wire.cut()
  }

  /// What the workers have done.
  func settle() {
    guard !jobs.isEmpty else { return }
    for (id, refusal) in pool.take() {
      guard let (wire, mac) = jobs.removeValue(forKey: id) else { continue }
      if let refusal, let unsaid = refusals.admit(MonotonicClock.now()) {
        let more = unsaid > 0 ? " (\(unsaid) more like it were not logged)" : ""
        log.warning(
          "ports",
          "guest \(wire.guest.id) sends from \(MACText.text(mac)), which the network card does not take: "
            + refusal + more)
      }
      wire.settled(mac, failed: refusal != nil)
    }
  }

  /// Guests by their addresses.
  var stations: [(address: UInt64, id: UInt64)] {
    wires.values.compactMap { $0.address == 0 ? nil : ($0.address, $0.guest.id) }
  }

  private func begin(_ mac: UInt64, on wire: CardWire) -> Bool {
    let fd = fcntl(wire.card.fd, F_DUPFD_CLOEXEC, 3)
    guard fd >= 0 else { return false }
    lastJob &+= 1
    guard pool.submit(lastJob, Job(fd: fd, mac: mac)) else {
      Descriptor.close(fd)
      return false
    }
    jobs[lastJob] = (wire, mac)
    return true
  }

  #if os(Linux)
    private static func address(of fd: Int32) -> UInt64 {
      (try? Tap.hardwareAddress(of: fd)).flatMap { MACText.parse($0) } ?? 0
    }

    private static let setAddress: @Sendable (Job) -> String? = { job in
      defer { Descriptor.close(job.fd) }
      do throws(SystemError) {
        try Tap.setHardwareAddress(MACText.bytes(job.mac), of: job.fd)
        return nil
      } catch {
        return error.errno.name == "EADDRINUSE" || error.errno.name == "EBUSY"
          ? "it is the card's own or another guest's" : "\(error)"
      }
    }
  #else
    private static func address(of fd: Int32) -> UInt64 { 0 }

    private static let setAddress: @Sendable (Job) -> String? = { job in
      Descriptor.close(job.fd)
      return "this system has no macvtap"
    }
  #endif
}
