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
  /// What is written, "fd12:3456:789a::/64"; nil: the network has one of its own.
  let prefix6: String?
  let gateway6: String?
  let interface: String?
  /// Path of networks.yaml.
  let file: String

  init(_ network: NetworkConfiguration, file: String) {
    name = network.name
    mode = network.settings.mode
    gateway = network.settings.gateway.map { "\($0)" }
    subnet = network.subnet.map { "\($0)" }
    dhcpEnd = network.settings.dhcpEnd.map { "\($0)" }
    prefix6 = network.network6.map { "\($0)" }
    gateway6 = network.settings.options["gateway6"]?.string
    interface = network.settings.interface
    self.file = file
  }
}
