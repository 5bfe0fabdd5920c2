// SPDX-License-Identifier: Apache-2.0
//
// LeaseWriter: makes the text of the lease files and replaces them. A value without a loop: a few leases are written where
// they change, thousands by a thread (LeaseStore).

import NetStack
import Platform
import Wire

struct LeaseWriter: Sendable {
  /// What is to be on disk.
  struct Job: Sendable {
    var leases: [DHCPLease]
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
  private var writtenLima = ""

  init(directory: String, file: String, keepsLimaFile: Bool) {
    self.directory = directory
    self.file = file
    self.keepsLimaFile = keepsLimaFile
  }

  mutating func write(_ job: Job) throws(SystemError) {
    let text = LeaseFile.text(job.leases, job.clocks)
    if text != written { try replace(file, text) }
    written = text
    guard keepsLimaFile else { return }
    let lima = LeaseFile.limaText(job.leases, router: job.router, routerMAC: job.routerMAC)
    if lima != writtenLima { try replace(LeaseFile.limaName, lima) }
    writtenLima = lima
  }

  private func replace(_ file: String, _ text: String) throws(SystemError) {
    try Files.write(Array(text.utf8), to: "\(directory)/\(file)", mode: 0o644)
  }
}
