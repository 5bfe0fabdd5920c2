// SPDX-License-Identifier: Apache-2.0
//
// Facts on Linux: /proc, netlink, the helper, sudo's rules, the firewall's policy.

import Daemon
import Platform

#if os(Linux)
  extension HostProbe {
    func probeLinux(_ facts: inout HostFacts, _ installation: Installation) {
      facts.kernel.inotify = Self.inotify()
      facts.kernel.confinement = HostFacts.Confinement(
        landlock: FileRules.version.map { Int($0) }, filtersCalls: Self.filtersCalls)
      facts.kernel.tun = Self.access("/dev/net/tun")
      facts.kernel.namespaces = Self.namespaces(isRoot: facts.isRoot)
      probePings(&facts)
      facts.privilege.helper = HostFacts.Helper(
        path: installation.tapHelper, flaw: HelperSafety.flaw(of: installation.tapHelper))
      if !facts.isRoot { facts.privilege.sudo = Self.sudo() }
      let user = ForeignHome.owner(of: facts.home) ?? facts.user.uid
      var requests: [String: HostTapRequest] = [:]
      for network in facts.configuration.networks {
        guard var request = HostTapRequest.wanted(by: network),
          DoctorModes.withTap.contains(network.settings.mode)
        else { continue }
        if LimaBridge.modes.contains(network.settings.mode),
          let bridge = LimaBridgeProbe.system.look(
            for: network.name, varRun: facts.configuration.varRun)
        {
          facts.links.limaBridges[network.name] = bridge
          if bridge.isKept {
            request = HostTapRequest(network: network.name, joining: bridge.name)
          }
        }
        facts.links.taps[network.name] = tap(
          HostTapLink.name(user: user, network: network.name), request)
        requests[network.name] = request
        if case .bridge(let bridge) = request.place {
          probeBridge(bridge, &facts)
          if facts.links.interfaces[bridge] == .openVSwitch {
            facts.links.switches[bridge] = .some(Self.askSwitch(bridge))
          }
        }
      }
      let daemons = OtherDaemons.find(otherThan: "")
      let places = Set([home.path, (try? Files.realPath(home.path)) ?? home.path])
      facts.otherDaemons = daemons.filter { !places.contains($0.home) }
      let held = daemons.filter { places.contains($0.home) }
        .reduce(into: Set<String>()) { $0.formUnion($1.interfaces) }
      findRenamed(requests, user: user, held: held, homes: places, &facts)
      facts.kernel.bridgeFilter.isOn =
        Self.number("/proc/sys/net/bridge/bridge-nf-call-iptables") == 1
      if facts.kernel.bridgeFilter.isOn {
        facts.kernel.bridgeFilter.forward = Self.forwardPolicy()
        facts.kernel.bridgeFilter.dropping = Self.droppingChains()
      }
    }

    /// Whether the kernel supports seccomp(2).
    private static var filtersCalls: Bool {
      let actions = (try? Files.read("/proc/sys/kernel/seccomp/actions_avail", limit: 256)) ?? []
      return String(decoding: actions, as: UTF8.self).split(separator: " ").contains("errno")
    }

    /// The finding about the interface of a bridged network; nil if it has none of the host's.
    func bridge(of network: NetworkConfiguration) -> Finding? {
      guard network.settings.mode == "bridged", network.peerSocket == nil,
        let name = network.settings.interface
      else { return nil }
      var facts = HostFacts(
        system: .linux, home: home, user: HostFacts.User(uid: CurrentProcess.effectiveUser))
      facts.command = (try? ChildProcess.ownPath()).map(ShellWord.quoted) ?? "lima-netd"
      facts.ip.routes = (try? HostRoutes.current()) ?? []
      probeBridge(name, &facts)
      return Diagnosis(facts).bridge(of: network)
    }

    private func probeBridge(_ bridge: String, _ facts: inout HostFacts) {
      let found = interface(bridge)
      facts.links.interfaces[bridge] = found
      facts.links.masters[bridge] = master(of: bridge)
      guard facts.links.candidates.isEmpty else { return }
      switch found {
      case .missing, .plain, .card(isPort: true): facts.links.candidates = candidates()
      case .bridge, .openVSwitch, .wireless, .card(isPort: false): break
      }
    }

    /// Finds renamed interfaces of networks: of this home's daemon, and those set up for this home.
    private func findRenamed(
      _ requests: [String: HostTapRequest], user: UInt32, held: Set<String>, homes: Set<String>,
      _ facts: inout HostFacts
    ) {
      facts.links.taps = facts.links.taps.mapValues { tap in
        var tap = tap
        tap.isHeld = held.contains(tap.name)
        return tap
      }
      let taps = facts.links.taps
      var missing = requests.filter { taps[$0.key]?.exists == false }
      guard !missing.isEmpty, var netlink = try? Netlink() else { return }
      let known = Set(taps.values.map(\.name))
      for name in ((try? HostInterfaces.names()) ?? []).prefix(1000) where !known.contains(name) {
        guard let link = try? netlink.hostTap(named: name), link.isTap, link.owner == user,
          held.contains(name) || link.home.map(homes.contains) == true
        else { continue }
        for (network, request) in missing {
          var renamed = tap(name, request)
          let fits: Bool =
            switch request.place {
            case .address(let address): renamed.addresses.contains(address)
            case .bridge(let bridge): renamed.bridge == bridge
            }
          guard fits else { continue }
          renamed.renamedFrom = HostTapLink.name(user: user, network: network)
          renamed.isHeld = held.contains(name)
          facts.links.taps[network] = renamed
          missing[network] = nil
          break
        }
      }
    }

    static func access(_ device: String) -> HostFacts.Access {
      do throws(SystemError) {
        try DeviceFile.tryOpening(device)
        return .open
      } catch {
        return error.errno == .noSuchFile ? .missing : .refused(error.reason)
      }
    }

    private static func inotify() -> HostFacts.Inotify {
      HostFacts.Inotify(
        works: (try? DirectoryWatch()) != nil,
        instances: number("/proc/sys/fs/inotify/max_user_instances"),
        watches: number("/proc/sys/fs/inotify/max_user_watches"))
    }

    private static func namespaces(isRoot: Bool) -> HostFacts.Namespaces {
      var works: Bool?
      if !isRoot, let unshare = find("unshare"), let nothing = find("true") {
        let result = try? BoundedCommand.run(unshare, ["-Urn", nothing], seconds: patience)
        works = result?.succeeded
      }
      return HostFacts.Namespaces(
        works: works, maximum: number("/proc/sys/user/max_user_namespaces"),
        clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"))
    }

    private func probePings(_ facts: inout HostFacts) {
      let numbers = Self.text("/proc/sys/net/ipv4/ping_group_range")?
        .split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
      guard let numbers, numbers.count == 2 else {
        facts.kernel.pingGroupsKnown = false
        return
      }
      if numbers[0] <= numbers[1] { facts.kernel.pingGroups = numbers[0]...numbers[1] }
    }

    /// All commands that this user may run by sudo; nothing is run.
    private static func sudo() -> HostFacts.Sudo {
      guard let sudo = ProgramSearch.find("sudo") else { return .missing }
      do throws(SystemError) {
        let result = try BoundedCommand.run(
          sudo, ["-n", "-l"], environment: environment, seconds: patience)
        if result.status == nil { return .silent }
        if result.succeeded { return .listing(result.output) }
        let said = result.errors + "\n" + result.output
        return .refused(said.split(separator: "\n").first.map(String.init) ?? "")
      } catch {
        return .refused("\(error)")
      }
    }

    func tap(_ name: String, _ request: HostTapRequest) -> HostFacts.Tap {
      var tap = HostFacts.Tap(name: name)
      guard var netlink = try? Netlink(),
        let link = try? netlink.hostTap(named: tap.name)
      else { return tap }
      tap.exists = true
      tap.isTap = link.kind == "tun" && link.isTap
      tap.persists = link.persists
      tap.owner = link.owner
      tap.mtu = Int(link.mtu)
      // It may exist where this user has no access.
      tap.otherHome = link.home.flatMap { there in
        let own = [home.path, (try? Files.realPath(home.path)) ?? home.path]
        return own.contains(there) || !Files.exists(there) ? nil : there
      }
      tap.addresses = (try? netlink.addresses(of: link.index)) ?? []
      tap.addresses6 = HeldTap.addresses6(of: tap.name)
      if let bridge = link.switchBridge {
        tap.bridge = bridge
      } else if case .bridge(let bridge) = request.place, let master = link.master {
        let wanted = try? netlink.hostTap(named: bridge)
        tap.bridge = wanted?.index == master ? bridge : "another bridge"
      }
      return tap
    }

    private func interface(_ name: String) -> HostFacts.Interface {
      guard Identifier.isValid(name), name.utf8.count < 16, var netlink = try? Netlink(),
        let link = try? netlink.hostTap(named: name)
      else { return .missing }
      if link.datapath != nil { return .openVSwitch }
      switch link.kind {
      case "bridge": return .bridge
      default:
        if BridgeCheck().isWireless(name) { return .wireless }
        return link.isNetworkCard ? .card(isPort: link.master != nil) : .plain
      }
    }

    /// The top-level master: a bond of cards may be a bridge's port. Nil: it is no port, or its master is no interface for
    /// guests (ovs-system).
    private func master(of port: String) -> String? {
      var name = port
      for _ in 0..<4 {
        guard BridgeCheck.isName(name), var netlink = try? Netlink(),
          let index = (try? netlink.hostTap(named: name))?.master,
          let above = HostInterfaces.name(ofIndex: index), BridgeCheck.isName(above)
        else { return nil }
        switch interface(above) {
        case .bridge, .card(isPort: false): return above
        case .card(isPort: true): name = above
        case .missing, .openVSwitch, .wireless, .plain: return nil
        }
      }
      return nil
    }

    private func candidates() -> [String] {
      let names = ((try? HostInterfaces.names()) ?? []).filter(BridgeCheck.isName)
      return names.prefix(1000).filter { name in
        switch interface(name) {
        // It may belong to a user.
        case .openVSwitch where owner(of: name) != nil: false
        case .bridge, .openVSwitch, .card(isPort: false): true
        case .missing, .wireless, .plain, .card(isPort: true): false
        }
      }
    }

    private func owner(of name: String) -> UInt32? {
      guard var netlink = try? Netlink() else { return nil }
      return (try? netlink.hostTap(named: name))?.owner
    }

    /// A query that changes nothing.
    private static func askSwitch(_ bridge: String) -> OVSFailure? {
      guard let program = ProgramSearch.find(OVSCommand.program) else { return .noProgram }
      do throws(SystemError) {
        let result = try BoundedCommand.run(
          program, OVSCommand.exists(bridge), seconds: OVSCommand.patience)
        if result.status == .exited(2) { return .noBridge(bridge) }
        return OVSCommand.failure(result.status, result.errors)
      } catch {
        return .system(error)
      }
    }

    /// Nil: nftables' rules are not to be had.
    private static func droppingChains() -> [String]? {
      guard let path = find("nft"),
        let result = try? BoundedCommand.run(
          path, ["-j", "list", "chains"], environment: environment, seconds: patience),
        result.succeeded
      else { return nil }
      return ForwardPolicy.droppingChains(result.output)
    }

    private static func forwardPolicy() -> HostFacts.BridgeFilter.Policy {
      let questions = [
        ("iptables", ["-S", "FORWARD"]), ("nft", ["list", "chain", "ip", "filter", "FORWARD"]),
      ]
      for (program, words) in questions {
        guard let path = find(program),
          let result = try? BoundedCommand.run(
            path, words, environment: environment, seconds: patience), result.succeeded
        else { continue }
        return ForwardPolicy.parse(result.output)
      }
      return .unknown
    }

    private static func number(_ path: String) -> Int? {
      text(path).flatMap { Int($0.split(whereSeparator: \.isWhitespace).first ?? "") }
    }

    private static func text(_ path: String) -> String? {
      (try? Files.read(path, limit: 4096)).map { String(decoding: $0, as: UTF8.self) }
    }
  }
#endif
