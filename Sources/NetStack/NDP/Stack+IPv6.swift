// SPDX-License-Identifier: Apache-2.0
//
// Beginning IPv6: which addresses the stack has is known when its network starts, not when it is made.

extension Stack {
  /// Before the first link comes up. `control` answers for neighbor discovery and DHCPv6.
  package func startIPv6(_ ipv6: IPv6Config, _ control: IPv6Control) {
    core.startIPv6(ipv6)
    core.ndp = control
    udp.dhcpV6 = control
  }
}
