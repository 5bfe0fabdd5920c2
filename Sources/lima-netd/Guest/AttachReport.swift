// SPDX-License-Identifier: Apache-2.0
//
// AttachReport: the output of `attach --json` when the namespace is connected.

import Daemon
import Platform

struct AttachReport: Encodable {
  let network: String
  let interface: String
  /// The guest's number in `guest ls`.
  let guest: UInt64?
  /// The process that keeps it attached.
  let pid: Int32
  /// False if the namespace configures itself (--no-config).
  let configured: Bool
  /// "192.168.5.15/24"; nil: the network assigns no addresses.
  let address: String?
  let gateway: String?
  let dns: [String]
  let search: [String]
  /// What the user must still do, if anything.
  let note: String?

  init(
    network: String, interface: String, guest: UInt64?, isConfigured: Bool, _ lease: LeaseOffer?,
    servers: [String], note: String?
  ) {
    self.network = network
    self.interface = interface
    self.guest = guest
    pid = CurrentProcess.id
    configured = isConfigured
    address = lease.map { "\($0.address)/\($0.prefixLength)" }
    gateway = lease?.gateway
    dns = servers
    search = lease?.search ?? []
    self.note = note
  }
}
