// SPDX-License-Identifier: Apache-2.0
//
// LeaseWriter: encodes and replaces the lease files. A value that is used by the loop for few leases and by a thread for
// many (LeaseStore).

import LibC
import NetStack
import Platform
import Wire

struct LeaseWriter: Sendable {
  /// The contents to write.
  struct Job: Sendable {
    var leases: [DHCPLease]
    /// IPv6; nil: not kept.
    var addresses: [GuestAddresses.Entry]?
    var router: IPAddress
    var routerMAC: MACAddress
    var clocks: LeaseFile.Clocks
  }

  let directory: String
  /// Name of the network's own file.
  let file: String
  /// Whether Lima's file is written, too.
  let keepsLimaFile: Bool
  /// The contents on disk; identical contents are not written again.
  private var written = ""
  private var addressFile: AddressFile
  private var writtenLima = ""

  init(directory: String, file: String, addressFile: AddressFile, keepsLimaFile: Bool) {
    self.addressFile = addressFile
    self.directory = directory
    self.file = file
    self.keepsLimaFile = keepsLimaFile
  }

  mutating func write(_ job: Job) throws(SystemError) {
    // Without this file a guest may take another's address after a restart. Its errors are not reported: the lease
    // file, in the same directory, then has one too, which is.
    if let addresses = job.addresses { try? addressFile.write(addresses) }
    let text = LeaseFile.text(job.leases, job.clocks)
    if text != written { try replace(file, text) }
    written = text
    guard keepsLimaFile else { return }
    let lima = LeaseFile.limaText(job.leases, router: job.router, routerMAC: job.routerMAC)
    if lima != writtenLima { try replaceShared(LeaseFile.limaName, lima) }
    writtenLima = lima
  }

  /// A file that the supervisor writes, too: both are in the other's way for a moment, and then neither is.
  private func replaceShared(_ file: String, _ text: String) throws(SystemError) {
    do throws(SystemError) {
      try replace(file, text)
    } catch  where error.errno.rawValue == EEXIST || error.errno.rawValue == ENOENT {
      try replace(file, text)
    }
  }

  private func replace(_ file: String, _ text: String) throws(SystemError) {
    try Files.write(Array(text.utf8), to: "\(directory)/\(file)", mode: 0o644)
  }
}
