// SPDX-License-Identifier: Apache-2.0
//
// The lease files of a network on disk: read once, replaced as a whole. An unreadable file is reported and ignored; a
// failure to write is reported once, until a write succeeds.

import LibC
import LimaNetdSDK
import NetStack
import Platform
import Wire

/// The lease files on disk. Thread: loop only.
final class LeaseStore {
  /// Maximum number of leases written on the loop, which takes 1 to 2 ms. More are written by a thread.
  private static let few = 256
  /// Maximum wait for the thread at the end, milliseconds.
  private static let patience = 1000

  private let host: HostContext
  private var hasFailed = false
  private var writer: LeaseWriter
  private let pool: WorkerPool<(LeaseWriter, LeaseWriter.Job), (LeaseWriter, SystemError?)>
  private var isWriting = false
  /// The latest job that arrived while the thread was writing.
  private var next: LeaseWriter.Job?

  /// - Parameter directory: "": nothing is kept.
  init(
    directory: String, file: String, addressFile: AddressFile, keepsLimaFile: Bool,
    host: HostContext
  ) {
    self.host = host
    writer = LeaseWriter(
      directory: directory, file: file, addressFile: addressFile, keepsLimaFile: keepsLimaFile)
    let waker = host.waker
    pool = WorkerPool(threads: 1, queue: 1, work: Self.write, notify: { waker.wake() })
  }

  deinit { pool.stop(within: Self.patience) }

  private var directory: String { writer.directory }
  private var file: String { writer.file }
  private var keepsLimaFile: Bool { writer.keepsLimaFile }

  var clocks: LeaseFile.Clocks {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return LeaseFile.Clocks(
      monotonic: host.now &+ SleepClock.slept(), unix: UInt64(clamping: time.tv_sec))
  }

  /// The network's own leases first; then Lima's, for other guests.
  func read(router: IPAddress) -> [DHCPLease] {
    let clocks = clocks
    let own = text(file).flatMap { text in
      LeaseFile.read(text, clocks) ?? nothing(file)
    }
    guard keepsLimaFile else { return own ?? [] }
    let lima = text(LeaseFile.limaName).flatMap { text in
      LeaseFile.readLima(text, router: router, now: clocks.monotonic)
        ?? nothing(LeaseFile.limaName)
    }
    return (own ?? []) + (lima ?? [])
  }

  private func nothing(_ file: String) -> [DHCPLease]? {
    host.log(.warn, "\(directory)/\(file) is no list of leases: guests may get new addresses")
    return nil
  }

  private func text(_ file: String) -> String? {
    guard !directory.isEmpty else { return nil }
    let path = "\(directory)/\(file)"
    guard Files.exists(path) else { return nil }
    do throws(SystemError) {
      return String(
        decoding: try Files.read(path, limit: LeaseFile.maximumBytes), as: UTF8.self)
    } catch {
      host.log(.warn, "\(error): guests may get new addresses")
      return nil
    }
  }

  /// - Parameter addresses: IPv6; nil: not kept.
  func write(
    _ leases: [DHCPLease], _ addresses: [GuestAddresses.Entry]?, router: IPAddress,
    routerMAC: MACAddress
  ) {
    guard !directory.isEmpty else { return }
    let job = LeaseWriter.Job(
      leases: leases, addresses: addresses, router: router, routerMAC: routerMAC, clocks: clocks)
    let count = leases.count + (addresses?.count ?? 0)
    if isWriting {
      next = job
    } else if count <= Self.few || !pool.submit(0, (writer, job)) {
      writeHere(job)
    } else {
      isWriting = true
    }
  }

  /// Takes the thread's result, if any.
  func finish() {
    guard isWriting else { return }
    for (_, (writer, error)) in pool.take() {
      isWriting = false
      self.writer = writer
      tell(error)
    }
    guard !isWriting, let job = next else { return }
    next = nil
    write(job.leases, job.addresses, router: job.router, routerMAC: job.routerMAC)
  }

  /// Writes the final leases, of any number; they are on disk on return.
  func writeLast(
    _ leases: [DHCPLease], _ addresses: [GuestAddresses.Entry]?, router: IPAddress,
    routerMAC: MACAddress
  ) {
    guard !directory.isEmpty else { return }
    pool.stop(within: Self.patience)
    (isWriting, next) = (false, nil)
    writeHere(
      LeaseWriter.Job(
        leases: leases, addresses: addresses, router: router, routerMAC: routerMAC, clocks: clocks))
  }

  private func writeHere(_ job: LeaseWriter.Job) {
    do throws(SystemError) {
      try writer.write(job)
      tell(nil)
    } catch {
      tell(error)
    }
  }

  /// Thread: any.
  private static func write(_ work: (LeaseWriter, LeaseWriter.Job)) -> (LeaseWriter, SystemError?) {
    var (writer, job) = work
    do throws(SystemError) {
      try writer.write(job)
      return (writer, nil)
    } catch {
      return (writer, error)
    }
  }

  private func tell(_ error: SystemError?) {
    if let error, !hasFailed {
      host.log(.warn, "leases will not outlive this network's process: \(error)")
    }
    hasFailed = error != nil
  }
}
