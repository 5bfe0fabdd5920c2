// SPDX-License-Identifier: Apache-2.0
//
// The parts of HostFacts, by what was looked at. Values.

import Platform

/// networks.yaml, and what the daemon makes of it.
package struct ConfigurationFacts: Sendable {
  /// Why networks.yaml is refused.
  package var error: String?
  /// networks.yaml is there.
  package var isThere = true
  package var networks: [NetworkConfiguration] = []
  /// Why networks can never start, by their names: what `config check` finds beyond the file itself.
  package var mistakes: [String: String] = [:]
  /// Those that the daemon has been asked for: they run, or could not.
  package var wanted: Set<String> = []
  /// Those of Lima's default file.
  package var defaults: [NetworkConfiguration] = []
  /// `paths.varRun` of networks.yaml.
  package var varRun = ""

  package init() {}
}

/// What the kernel lets a process of this user's have.
package struct KernelFacts: Sendable {
  /// How many descriptors a process may ask for.
  package var descriptors: Int?
  package var confinement = HostFacts.Confinement()
  package var inotify: HostFacts.Inotify?
  package var tun = HostFacts.Access.open
  package var namespaces = HostFacts.Namespaces()
  /// net.ipv4.ping_group_range
  package var pingGroups: ClosedRange<UInt32>?
  package var pingGroupsKnown = true
  package var bridgeFilter = HostFacts.BridgeFilter()

  package init() {}
}

/// The host's addresses and routes.
package struct AddressFacts: Sendable {
  package var addresses: [HostAddress] = []
  package var addresses6: [HostAddress6] = []
  package var routes: [HostRoute] = []
  package var routes6: [HostAddress6] = []

  package init() {}
}

/// What makes interfaces of the host's without a password.
package struct PrivilegeFacts: Sendable {
  package var helper = HostFacts.Helper()
  package var sudo = HostFacts.Sudo.missing

  package init() {}
}

/// The host's interfaces, as far as networks are about them.
package struct LinkFacts: Sendable {
  /// By network.
  package var taps: [String: HostFacts.Tap] = [:]
  /// By the name of the interface of a bridged network.
  package var interfaces: [String: HostFacts.Interface] = [:]
  /// What a port is a port of, by the port's name: the bridge or bond that is none itself.
  package var masters: [String: String] = [:]
  /// What a bridged network could be on; looked for only where one's interface is missing.
  package var candidates: [String] = []
  /// What this user's ovs-vsctl says of bridges of Open vSwitch; nil: it may change them.
  package var switches: [String: OVSFailure?] = [:]
  /// What Lima's own helper has made, by network.
  package var limaBridges: [String: LimaBridge] = [:]

  package init() {}
}
