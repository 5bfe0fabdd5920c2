// SPDX-License-Identifier: Apache-2.0
//
// Starts IPv6 of a stack: its addresses are known when the network starts, after the stack was created.

extension Stack {
  /// Called before the first link comes up. `control` handles neighbor discovery and DHCPv6.
  package func startIPv6(_ ipv6: IPv6Config, _ control: IPv6Control) {
    core.startIPv6(ipv6)
    core.ndp = control
    udp.dhcpV6 = control
  }
}
