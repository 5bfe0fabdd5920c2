// SPDX-License-Identifier: Apache-2.0
//
// WrittenNetwork: a network in networks.yaml, as `network create` and `network edit` print it with --json.

import Daemon

struct WrittenNetwork: Encodable, Hashable {
  let name: String
  let mode: String
  let gateway: String?
  let subnet: String?
  let dhcpEnd: String?
  let interface: String?
  /// Path of networks.yaml.
  let file: String

  init(_ network: NetworkConfiguration, file: String) {
    name = network.name
    mode = network.settings.mode
    gateway = network.settings.gateway.map { "\($0)" }
    subnet = network.subnet.map { "\($0)" }
    dhcpEnd = network.settings.dhcpEnd.map { "\($0)" }
    interface = network.settings.interface
    self.file = file
  }
}
