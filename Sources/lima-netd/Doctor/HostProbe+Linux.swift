// SPDX-License-Identifier: Apache-2.0
//
// What there is to find out on Linux: /proc, netlink, the helper, sudo's rules, the firewall's policy.

import Daemon
import Platform

#if os(Linux)
  extension HostProbe {
    func probeLinux(_ facts: inout HostFacts, _ installation: Installation) {
      facts.inotify = Self.inotify()
      facts.tun = Self.access("/dev/net/tun")
      facts.namespaces = Self.namespaces(isRoot: facts.isRoot)
      probePings(&facts)
      facts.helper = HostFacts.Helper(
        path: installation.tapHelper, flaw: HelperSafety.flaw(of: installation.tapHelper))
      if !facts.isRoot { facts.sudo = Self.sudo() }
      for network in facts.networks {
        guard var request = HostTapRequest.wanted(by: network),
          DoctorModes.withTap.contains(network.settings.mode)
        else { continue }
        if LimaBridge.modes.contains(network.settings.mode),
          let bridge = LimaBridgeProbe.system.look(for: network.name, varRun: facts.varRun)
        {
          facts.limaBridges[network.name] = bridge
          if bridge.isKept {
            request = HostTapRequest(network: network.name, joining: bridge.name)
          }
        }
        facts.taps[network.name] = tap(
          network.name, request, user: ForeignHome.owner(of: facts.home) ?? facts.user.uid)
        if case .bridge(let bridge) = request.place {
          facts.interfaces[bridge] = interface(bridge)
          facts.masters[bridge] = master(of: bridge)
          if facts.interfaces[bridge] == .missing, facts.candidates.isEmpty {
            facts.candidates = candidates()
          }
          if facts.interfaces[bridge] == .openVSwitch {
            facts.switches[bridge] = .some(Self.askSwitch(bridge))
          }
        }
      }
      facts.otherDaemons = OtherDaemons.find(otherThan: home.path)
      facts.bridgeFilter.isOn = Self.number("/proc/sys/net/bridge/bridge-nf-call-iptables") == 1
      if facts.bridgeFilter.isOn { facts.bridgeFilter.forward = Self.forwardPolicy() }
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
        facts.pingGroupsKnown = false
        return
      }
      if numbers[0] <= numbers[1] { facts.pingGroups = numbers[0]...numbers[1] }
    }

    /// All that this user may run; nothing is run.
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

    private func tap(_ network: String, _ request: HostTapRequest, user: UInt32) -> HostFacts.Tap {
      var tap = HostFacts.Tap(name: HostTapLink.name(user: user, network: network))
      guard var netlink = try? Netlink(),
        let link = try? netlink.hostTap(named: tap.name)
      else { return tap }
      tap.exists = true
      tap.isTap = link.kind == "tun" && link.isTap
      tap.persists = link.persists
      tap.owner = link.owner
      tap.mtu = Int(link.mtu)
      tap.addresses = (try? netlink.addresses(of: link.index)) ?? []
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

    /// As far up as it goes: a card's bond may be a bridge's port. Nil: it is no port, or of something that is no
    /// interface for guests (ovs-system).
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
        case .bridge, .openVSwitch, .card(isPort: false): true
        case .missing, .wireless, .plain, .card(isPort: true): false
        }
      }
    }

    /// Asks and changes nothing.
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
