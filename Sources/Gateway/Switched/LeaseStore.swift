// SPDX-License-Identifier: Apache-2.0
//
// The lease files of one network on disk: read once, replaced as a whole. A file that cannot be
// read is set aside in words and the network goes on without; one that cannot be written is
// said once, until it can again.

import LimaNetdSDK
import NetStack
import Platform
import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// See the head of this file. Loop thread.
struct LeaseStore {
  private let directory: String
  /// Our own file's name.
  private let file: String
  /// Whether Lima's file is kept, too.
  private let keepsLimaFile: Bool
  private let host: HostContext
  private var hasFailed = false
  /// What is on disk: nothing is written twice.
  private var written = ""
  private var writtenLima = ""

  /// - Parameter directory: "": nothing is kept.
  init(directory: String, file: String, keepsLimaFile: Bool, host: HostContext) {
    self.directory = directory
    self.file = file
    self.keepsLimaFile = keepsLimaFile
    self.host = host
  }

  var clocks: LeaseFile.Clocks {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return LeaseFile.Clocks(
      monotonic: host.now &+ SleepClock.slept(), unix: UInt64(clamping: time.tv_sec))
  }

  /// Our own bindings first; Lima's for guests that we do not know.
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

  mutating func write(_ leases: [DHCPLease], router: IPAddress, routerMAC: MACAddress) {
    guard !directory.isEmpty else { return }
    let text = LeaseFile.text(leases, clocks)
    let lima = LeaseFile.limaText(leases, router: router, routerMAC: routerMAC)
    do throws(SystemError) {
      if text != written { try replace(file, text) }
      written = text
      if keepsLimaFile, lima != writtenLima { try replace(LeaseFile.limaName, lima) }
      writtenLima = lima
      hasFailed = false
    } catch {
      if !hasFailed {
        host.log(.warn, "leases will not outlive this network's process: \(error)")
      }
      hasFailed = true
    }
  }

  private func replace(_ file: String, _ text: String) throws(SystemError) {
    try Files.write(Array(text.utf8), to: "\(directory)/\(file)", mode: 0o644)
  }
}
