// SPDX-License-Identifier: Apache-2.0
//
// CardWires: the guests of a network on a network card, each with its macvtap (CardWire), and the worker that sets a
// macvtap's Ethernet address. Thread: loop only.

import LibC
import Platform
import PluginAPI

final class CardWires {
  /// The kind of these ports in `status`.
  static let kind = "macvtap"

  private struct Job: Sendable {
    /// A duplicate, closed by the worker: the port may be closed earlier.
    var fd: Int32
    var mac: UInt64
  }

  private let learningSwitch: Switch
  private let log: HostLog
  private let pool: WorkerPool<Job, String?>
  /// By the guest's id.
  private var wires: [UInt64: CardWire] = [:]
  private var guestOfCard: [UInt64: UInt64] = [:]
  /// Addresses of guests whose macvtap is gone, for the next one.
  private var known: [UInt64: UInt64] = [:]
  private var jobs: [UInt64: (wire: CardWire, mac: UInt64)] = [:]
  private var lastJob: UInt64 = 0
  private var refusals = RateLimit(burst: 5, interval: 10_000_000_000)

  init(_ learningSwitch: Switch, waker: Waker, log: HostLog) {
    self.learningSwitch = learningSwitch
    self.log = log
    pool = WorkerPool(threads: 1, queue: 1024, work: Self.setAddress, notify: { waker.wake() })
  }

  /// Connects the two; a previous macvtap of the guest is disconnected first.
  func join(_ guest: Port, to card: Port) {
    if let old = wires[guest.id] { part(old.card.id) }
    // An earlier process may have set it.
    let has = Self.address(of: card.fd)
    let wire = CardWire(
      guest, card, address: has == card.mac ? 0 : has, learningSwitch: learningSwitch
    ) { [unowned self] wire, mac in begin(mac, on: wire) }
    wires[guest.id] = wire
    guestOfCard[card.id] = guest.id
    if wire.address == 0 { wire.expect(known[guest.id] ?? guest.mac) }
    log.info("ports", "guest \(guest.id) has a macvtap")
  }

  /// Disconnects a guest or a macvtap that is gone. Idempotent.
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

  /// Handles the workers' results.
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
