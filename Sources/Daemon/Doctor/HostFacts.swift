// SPDX-License-Identifier: Apache-2.0
//
// HostFacts: all that `doctor` has found out about a host, before anything is made of it. Values; who fills them in does
// the looking (Sources/lima-netd/Doctor), tests write them down.

import Platform

package struct HostFacts: Sendable {
  package enum System: Sendable { case linux, macOS }
  package enum Access: Sendable, Hashable {
    case missing
    case open
    case refused(String)
  }

  package var system: System
  package var home: LimaHome
  package var configuration = ConfigurationFacts()
  package var user: User
  package var serving = Serving.nobody
  package var runtime = Runtime.works
  package var kernel = KernelFacts()
  package var resolver = Resolver.servers(1)
  package var ip = AddressFacts()
  package var privilege = PrivilegeFacts()
  package var links = LinkFacts()
  /// Daemons of other homes.
  package var otherDaemons: [OtherDaemon] = []
  package var vmnet = VMNet()
  /// How the user runs this program.
  package var command = "lima-netd"

  /// By what the kernel confines a network's process.
  package struct Confinement: Sendable, Hashable {
    /// Version of Landlock; nil: there is none.
    package var landlock: Int?
    /// A filter of system calls (seccomp) can be set.
    package var filtersCalls = true

    package init(landlock: Int? = nil, filtersCalls: Bool = true) {
      self.landlock = landlock
      self.filtersCalls = filtersCalls
    }
  }

  package struct User: Sendable, Hashable {
    package var uid: UInt32
    package var groups: Set<UInt32> = []
    /// Why a daemon of this user's, or of the home's owner where root asks, would not serve the home.
    package var homeProblem: String?
    /// Nil: nobody has that number.
    package var name: String?
    /// One of the `group:` of networks.yaml, for which `sudoers` has its lines.
    package var isInSudoersGroup = true
    /// ~/.lima
    package var usualHome: LimaHome?
    package init(uid: UInt32, groups: Set<UInt32> = [], homeProblem: String? = nil) {
      self.uid = uid
      self.groups = groups
      self.homeProblem = homeProblem
    }
  }

  /// Who has the home.
  package enum Serving: Sendable, Hashable {
    case nobody
    case daemon(pid: Int32?)
    /// Files of one that is gone.
    case leftOver([String])
    /// A process that has the pid file's number, is a lima-netd, and does not answer; `isStopped`: somebody has stopped it.
    case silent(pid: Int32, isStopped: Bool)
    case notOurs(String)
  }

  package enum Runtime: Sendable, Hashable {
    case works
    case missing(String)
    /// The plugins that cannot be loaded.
    case failed(String)
    case broken(HostTrouble)
    case silent(String)
  }

  package struct Inotify: Sendable, Hashable {
    package var works: Bool
    package var instances: Int?
    package var watches: Int?
    package init(works: Bool, instances: Int? = nil, watches: Int? = nil) {
      self.works = works
      self.instances = instances
      self.watches = watches
    }
  }

  package struct Namespaces: Sendable, Hashable {
    /// One was made; nil: not tried.
    package var works: Bool? = true
    /// user.max_user_namespaces
    package var maximum: Int?
    /// Debian's kernel.unprivileged_userns_clone
    package var clone: Int?
    /// Ubuntu's kernel.apparmor_restrict_unprivileged_userns
    package var apparmor: Int?
    package init(works: Bool? = true, maximum: Int? = nil, clone: Int? = nil, apparmor: Int? = nil)
    {
      self.works = works
      self.maximum = maximum
      self.clone = clone
      self.apparmor = apparmor
    }
  }

  package enum Resolver: Sendable, Hashable {
    case servers(Int)
    case unreadable(String)
  }

  package struct Helper: Sendable, Hashable {
    package var path = "/usr/local/libexec/lima-netd/lima-netd-tap"
    package var flaw: PathFlaw?
    package init() {}
    package init(path: String, flaw: PathFlaw?) {
      self.path = path
      self.flaw = flaw
    }
  }

  package enum Sudo: Sendable, Hashable {
    case missing
    /// What `sudo -n -l` printed.
    case listing(String)
    /// It wants a password before it tells, or its own words.
    case refused(String)
    case silent
  }

  /// The interface of a network, as it is now.
  package struct Tap: Sendable, Hashable {
    package var name: String
    package var exists = false
    package var isTap = false
    package var persists = false
    package var owner: UInt32?
    package var addresses: [String] = []
    /// Beyond the link.
    package var addresses6: [String] = []
    package var mtu = 0
    /// The bridge it is a port of.
    package var bridge: String?
    /// What the network's interface is called, where this one has another name by now.
    package var renamedFrom: String?
    /// The daemon of this home has it.
    package var isHeld = false
    /// Another Lima home that is there, for which it was set up.
    package var otherHome: String?
    package init(name: String) { self.name = name }
  }

  package enum Interface: Sendable, Hashable {
    case missing, bridge, openVSwitch, wireless, plain
    /// Guests can have macvtaps on it; `port`: it is a bridge's or bond's already.
    case card(isPort: Bool)
  }

  package struct BridgeFilter: Sendable, Hashable {
    package enum Policy: Sendable, Hashable { case accept, drop, unknown }
    /// net.bridge.bridge-nf-call-iptables
    package var isOn = false
    package var forward = Policy.accept
    /// Other base chains of nftables that drop what none of their rules accepts, as "inet firewalld filter_FORWARD"; nil: not
    /// known.
    package var dropping: [String]?
    package init(isOn: Bool = false, forward: Policy = .accept) {
      self.isOn = isOn
      self.forward = forward
    }
  }

  /// macOS.
  package struct VMNet: Sendable, Hashable {
    package var path = ""
    package var isInstalled = false
    /// Lima's words for what is wrong with the paths.
    package var flaw: String?
    /// Of the sudoers file; nil: in order.
    package var sudoersProblem: String?
    /// What `socketfilterfw --getglobalstate` and `--getappblocked /usr/libexec/bootpd` print; nil: not asked.
    package var firewall: String?
    package var bootpd: String?
    package init() {}
  }

  package init(system: System, home: LimaHome, user: User) {
    self.system = system
    self.home = home
    self.user = user
  }

  package var isRoot: Bool { user.uid == 0 }
}
