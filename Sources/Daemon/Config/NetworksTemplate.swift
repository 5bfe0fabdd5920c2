// SPDX-License-Identifier: Apache-2.0
//
// NetworksTemplate: the networks.yaml of a home without one, with the values of Lima's default file for Linux and macOS.
// Pure: facts about the machine are arguments.

package struct NetworksTemplate: Sendable {
  package var socketVMNet: String
  package var varRun: String
  package var sudoers: String
  package var group: String
  package var bridgedInterface: String

  /// - Parameter groups: names of existing groups; the first of `sudo` and `wheel` among them is the group with sudo.
  package static func linux(groups: Set<String>) -> NetworksTemplate {
    NetworksTemplate(
      socketVMNet: "", varRun: "/run/lima", sudoers: "/etc/sudoers.d/lima",
      group: groups.contains("sudo") || !groups.contains("wheel") ? "sudo" : "wheel",
      bridgedInterface: "br0")
  }

  /// - Parameter socketVMNet: path of socket_vmnet; Lima's default if it is not installed.
  package static func macOS(socketVMNet: String = "/opt/socket_vmnet/bin/socket_vmnet")
    -> NetworksTemplate
  {
    NetworksTemplate(
      socketVMNet: socketVMNet, varRun: "/private/var/run/lima",
      sudoers: "/private/etc/sudoers.d/lima", group: "admin", bridgedInterface: "en0")
  }

  /// This system's, for uses that do not depend on groups.
  package static var current: NetworksTemplate {
    #if os(Linux)
      .linux(groups: [])
    #else
      .macOS()
    #endif
  }

  /// The networks of the text.
  package func networks() throws(ConfigError) -> [NetworkConfiguration] {
    try ConfigDecoder.decode(Array(text.utf8), file: "networks.yaml", homeDirectory: "/").networks
      .filter { !$0.builtin }
  }

  package var text: String {
    """
    # Networks of virtual machines, read by Lima and by lima-netd.

    # What Lima runs as root, and where. lima-netd on Linux needs none of these.
    paths:
      socketVMNet: "\(socketVMNet)"
      varRun: \(varRun)
      sudoers: \(sudoers)

    # Who may run it without a password.
    group: \(group)

    networks:
      # Guests that see each other and reach the outside by NAT; no root.
      user-v2:
        mode: user-v2
        gateway: 192.168.104.1
        netmask: 255.255.255.0
      # Guests with addresses that the host reaches, and the outside by NAT.
      shared:
        mode: shared
        gateway: 192.168.105.1
        dhcpEnd: 192.168.105.254
        netmask: 255.255.255.0
      # Guests on the network of an interface of the host.
      bridged:
        mode: bridged
        interface: \(bridgedInterface)
      # Guests that see the host and each other, nothing else.
      host:
        mode: host
        gateway: 192.168.106.1
        dhcpEnd: 192.168.106.254
        netmask: 255.255.255.0

    """
  }
}
