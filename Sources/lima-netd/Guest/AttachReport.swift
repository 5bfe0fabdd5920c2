// SPDX-License-Identifier: Apache-2.0
//
// AttachReport: what `attach --json` prints when the namespace has its network.

import Daemon
import Platform

struct AttachReport: Encodable {
  let network: String
  let interface: String
  /// The guest's number, as `guest ls` has it.
  let guest: UInt64?
  /// The process that keeps it attached until it is ended.
  let pid: Int32
  /// False: the namespace is to ask for the address itself (--no-config).
  let configured: Bool
  /// "192.168.5.15/24"; nil: the network gives no addresses itself.
  let address: String?
  let gateway: String?
  let dns: [String]
  let search: [String]
  /// What is left to do, where something is.
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
