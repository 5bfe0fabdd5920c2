// SPDX-License-Identifier: Apache-2.0
//
// HostFacts: all facts about a host for `doctor`, without evaluation. Values; Sources/lima-netd/Doctor collects them, tests
// construct them.

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

  /// The kernel's means to confine a network's process.
  package struct Confinement: Sendable, Hashable {
    /// Landlock's version; nil: not available.
    package var landlock: Int?
    /// Whether seccomp filters are available.
    package var filtersCalls = true

    package init(landlock: Int? = nil, filtersCalls: Bool = true) {
      self.landlock = landlock
      self.filtersCalls = filtersCalls
    }
  }

  package struct User: Sendable, Hashable {
    package var uid: UInt32
    package var groups: Set<UInt32> = []
    /// Why a daemon of this user (or of the home's owner, if root asks) would not serve the home.
    package var homeProblem: String?
    /// Nil: the uid has no name.
    package var name: String?
    /// In the `group:` of networks.yaml, for which `sudoers` has its lines.
    package var isInSudoersGroup = true
    /// ~/.lima
    package var usualHome: LimaHome?
    package init(uid: UInt32, groups: Set<UInt32> = [], homeProblem: String? = nil) {
      self.uid = uid
      self.groups = groups
      self.homeProblem = homeProblem
    }
  }

  /// The process that serves the home.
  package enum Serving: Sendable, Hashable {
    case nobody
    case daemon(pid: Int32?)
    /// Files of a daemon that has ended.
    case leftOver([String])
    /// A lima-netd with the pid file's process id that does not answer; `isStopped`: by SIGSTOP.
    case silent(pid: Int32, isStopped: Bool)
    case notOurs(String)
  }

  package enum Runtime: Sendable, Hashable {
    case works
    case missing(String)
    /// Plugins cannot be loaded.
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
    /// A user namespace was created; nil: not tried.
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
    /// The output of `sudo -n -l`.
    case listing(String)
    /// sudo requires a password, or failed with this message.
    case refused(String)
    case silent
  }

  /// The present state of a network's interface.
  package struct Tap: Sendable, Hashable {
    package var name: String
    package var exists = false
    package var isTap = false
    package var persists = false
    package var owner: UInt32?
    package var addresses: [String] = []
    /// Without link-local addresses.
    package var addresses6: [String] = []
    package var mtu = 0
    /// The bridge whose port it is.
    package var bridge: String?
    /// The expected name of the interface, if it was renamed.
    package var renamedFrom: String?
    /// The daemon of this home holds it.
    package var isHeld = false
    /// Another existing Lima home for which it was set up.
    package var otherHome: String?
    package init(name: String) { self.name = name }
  }

  package enum Interface: Sendable, Hashable {
    case missing, bridge, openVSwitch, wireless, plain
    /// A network card suitable for macvtaps; `port`: it is a port of a bridge or bond.
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

  /// Facts about macOS.
  package struct VMNet: Sendable, Hashable {
    package var path = ""
    package var isInstalled = false
    /// An error in the paths, in Lima's wording.
    package var flaw: String?
    /// A problem of the sudoers file; nil: none.
    package var sudoersProblem: String?
    /// The output of `socketfilterfw --getglobalstate` and `--getappblocked /usr/libexec/bootpd`; nil: not run.
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
