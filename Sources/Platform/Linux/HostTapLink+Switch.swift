// SPDX-License-Identifier: Apache-2.0
//
// Bridges of Open vSwitch as the kernel shows them: by the interface that each has for the host itself, its local port,
// which has the bridge's name (ovs-vswitchd.conf.db(5), Interface: "internal").

#if os(Linux)

  extension HostTapLink {
    /// Who forwards the frames of a bridge of Open vSwitch.
    package enum Datapath: Sendable, Hashable {
      /// `datapath_type=system`: the kernel, which takes super-frames and unfinished checksums.
      case kernel
      /// `datapath_type=netdev`: ovs-vswitchd, which reads a port's frames as they are: whole, or not usable.
      case userspace
    }

    /// Nil when this interface is none of Open vSwitch's: a plain TAP in the place of a bridge can be nothing else, and
    /// where it is, Open vSwitch says that it has no such bridge.
    package var datapath: Datapath? {
      switch kind {
      case "openvswitch": .kernel
      case "tun" where isTap: .userspace
      default: nil
      }
    }

    /// The bridge of Open vSwitch that this TAP was made for.
    package var switchBridge: String? { TapAlias(alias).bridge }

    /// The Lima home that `network setup` made this TAP for.
    package var home: String? { TapAlias(alias).home }
  }

#endif
