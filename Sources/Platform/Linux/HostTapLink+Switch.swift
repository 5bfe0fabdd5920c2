// SPDX-License-Identifier: Apache-2.0
//
// Open vSwitch bridges as the kernel shows them: by the local port, an interface with the bridge's name
// (ovs-vswitchd.conf.db(5), Interface: "internal").

#if os(Linux)

  extension HostTapLink {
    /// What forwards the frames of an Open vSwitch bridge.
    package enum Datapath: Sendable, Hashable {
      /// `datapath_type=system`: the kernel, which accepts GSO frames and partial checksums.
      case kernel
      /// `datapath_type=netdev`: ovs-vswitchd, which accepts neither GSO frames nor partial checksums.
      case userspace
    }

    /// Nil when this interface does not belong to Open vSwitch. A plain TAP may have a bridge's name; Open vSwitch
    /// reports then that it has no such bridge.
    package var datapath: Datapath? {
      switch kind {
      case "openvswitch": .kernel
      case "tun" where isTap: .userspace
      default: nil
      }
    }

    /// The Open vSwitch bridge that this TAP was made for.
    package var switchBridge: String? { TapAlias(alias).bridge }

    /// The Lima home that `network setup` made this TAP for.
    package var home: String? { TapAlias(alias).home }
  }

#endif
