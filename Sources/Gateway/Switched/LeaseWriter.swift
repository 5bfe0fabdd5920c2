// SPDX-License-Identifier: Apache-2.0
//
// LeaseWriter: makes the text of the lease files and replaces them. A value without a loop: a few leases are written where
// they change, thousands by a thread (LeaseStore).

import LibC
import NetStack
import Platform
import Wire

struct LeaseWriter: Sendable {
  /// What is to be on disk.
  struct Job: Sendable {
    var leases: [DHCPLease]
    /// IPv6; nil: not kept.
    var addresses: [GuestAddresses.Entry]?
    var router: IPAddress
    var routerMAC: MACAddress
    var clocks: LeaseFile.Clocks
  }

  let directory: String
  /// Our own file's name.
  let file: String
  /// Whether Lima's file is kept, too.
  let keepsLimaFile: Bool
  /// What is on disk: nothing is written twice.
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
    // Without them a guest may take an address that another has, after this process; who cannot write leases is told.
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
