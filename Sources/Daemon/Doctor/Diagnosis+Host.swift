// SPDX-License-Identifier: Apache-2.0
//
// Requirements on kernel and system files: TAP devices, user namespaces, ping, nameservers, subnets.

import Platform

extension Diagnosis {
  func tun() -> [Finding] {
    guard isLinux else { return [] }
    let what = "`exec`, `attach` and `tap` have no guests"
    switch facts.kernel.tun {
    case .open: return [Finding(.tun, DoctorModes.all, .ok, "/dev/net/tun can be opened")]
    case .missing:
      let text = "/dev/net/tun is not there: "
      let remedy = asRoot("modprobe tun")
      return [
        Finding(.tun, DoctorModes.withoutTap, .warning, text + what, remedy: remedy),
        Finding(
          .tun, DoctorModes.withTap, .problem, text + "the host's interface cannot be made",
          remedy: remedy),
      ]
    case .refused(let reason):
      let text = "/dev/net/tun cannot be opened (\(reason)): "
      let remedy = asRoot("chmod 666 /dev/net/tun")
      return [
        Finding(.tun, DoctorModes.withoutTap, .warning, text + what, remedy: remedy),
        // TAPs from the helper need no access to the device.
        Finding(
          .tun, DoctorModes.withTap, .problem,
          text + "an interface that was set up cannot be attached to", remedy: remedy),
      ]
    }
  }

  func confinement() -> [Finding] {
    guard isLinux else { return [] }
    func finding(_ modes: [String], _ status: Finding.Status, _ text: String) -> Finding {
      Finding(.confinement, modes, status, text)
    }
    var findings: [Finding] = []
    if facts.kernel.confinement.landlock == nil {
      findings.append(
        finding(
          DoctorModes.all, .warning,
          "the kernel has no Landlock (5.13 and later, switched on by lsm=landlock at boot): networks' processes read and "
            + "write files as their user does"))
    }
    if !facts.kernel.confinement.filtersCalls {
      findings.append(
        finding(
          DoctorModes.all, .warning,
          "the kernel has no seccomp filter (CONFIG_SECCOMP_FILTER): no system call is refused to networks' processes"
        ))
    }
    if findings.isEmpty, let version = facts.kernel.confinement.landlock {
      findings.append(
        finding(
          DoctorModes.all, .ok,
          "networks' processes are confined: files (Landlock \(version)) and system calls"))
    }
    let strict = facts.configuration.networks.filter { $0.settings.isStrict }
    if !strict.isEmpty, let reason = strictObstacle {
      findings += strict.map {
        finding(
          [$0.settings.mode], .problem,
          "network \($0.name): `sandbox: strict` cannot be had, and the network does not start: \(reason)"
        )
      }
    }
    return findings
      + facts.configuration.networks.filter { !$0.settings.isConfined }.map {
        finding(
          [$0.settings.mode], .warning,
          "network \($0.name): `sandbox: off`: its process is not confined")
      }
  }

  /// Why no network of this user's can have a strict sandbox.
  private var strictObstacle: String? {
    if !facts.kernel.confinement.filtersCalls { return "the kernel has no seccomp filter" }
    let namespaces = facts.kernel.namespaces
    guard !isRoot, namespaces.works != true else { return nil }
    if namespaces.maximum == 0 { return "user.max_user_namespaces is 0" }
    if namespaces.clone == 0 { return "kernel.unprivileged_userns_clone is 0" }
    if namespaces.apparmor == 1 {
      return "AppArmor keeps user namespaces from unprivileged programs"
    }
    return namespaces.works == false ? "a user namespace cannot be made here" : nil
  }

  func userNamespaces() -> [Finding] {
    guard isLinux, !isRoot else { return [] }
    let namespaces = facts.kernel.namespaces
    let what = "`exec` without root makes no guests"
    func warning(_ text: String, _ setting: String) -> [Finding] {
      [
        Finding(
          .userNamespaces, DoctorModes.all, .warning, "\(text): \(what)", remedy: sysctl(setting))
      ]
    }
    if namespaces.works == true {
      return [
        Finding(.userNamespaces, DoctorModes.all, .ok, "users may make namespaces of their own")
      ]
    }
    if namespaces.maximum == 0 {
      return warning("user.max_user_namespaces is 0", "user.max_user_namespaces=15000")
    }
    if namespaces.clone == 0 {
      return warning(
        "kernel.unprivileged_userns_clone is 0", "kernel.unprivileged_userns_clone=1")
    }
    if namespaces.apparmor == 1 {
      return warning(
        "AppArmor keeps user namespaces from unprivileged programs",
        "kernel.apparmor_restrict_unprivileged_userns=0")
    }
    guard namespaces.works == false else { return [] }
    return [
      Finding(
        .userNamespaces, DoctorModes.all, .warning,
        "a user namespace cannot be made here (a container's or a service's restriction): \(what)")
    ]
  }

  func pingGroups() -> [Finding] {
    guard isLinux, facts.kernel.pingGroupsKnown else { return [] }
    return ownPings()
      + facts.configuration.networks.compactMap { network in
        guard let user = network.settings.user,
          DoctorModes.translating.contains(network.settings.mode),
          facts.kernel.pingGroups?.contains(user.gid) != true
        else { return nil }
        return Finding(
          .pingGroupRange, [network.settings.mode], .warning,
          "network \(network.name): net.ipv4.ping_group_range has not the group \(user.gid) of its user \(user.name): "
            + "pings of guests reach the gateway only",
          remedy: sysctl("net.ipv4.ping_group_range='0 2147483647'"))
      }
  }

  private func ownPings() -> [Finding] {
    if let range = facts.kernel.pingGroups, facts.user.groups.contains(where: range.contains) {
      return [
        Finding(.pingGroupRange, DoctorModes.translating, .ok, "guests can ping the outside")
      ]
    }
    let range = facts.kernel.pingGroups.map { "\($0.lowerBound) \($0.upperBound)" } ?? "1 0"
    return [
      Finding(
        .pingGroupRange, DoctorModes.translating, .warning,
        "net.ipv4.ping_group_range is \"\(range)\", which has no group of this user: pings of guests reach the gateway only",
        remedy: sysctl("net.ipv4.ping_group_range='0 2147483647'"))
    ]
  }

  func resolver() -> [Finding] {
    switch facts.resolver {
    case .servers(let count) where count > 0:
      return [
        Finding(
          .resolver, DoctorModes.translating, .ok,
          "/etc/resolv.conf names \(Plural.text(count, "nameserver"))")
      ]
    case .servers:
      return [
        Finding(
          .resolver, DoctorModes.translating, .warning,
          "/etc/resolv.conf names no nameserver: guests' names are asked of 127.0.0.1, as the host's are",
          remedy: asRoot("sh -c 'echo nameserver 9.9.9.9 >>/etc/resolv.conf'"))
      ]
    case .unreadable(let reason):
      return [
        Finding(
          .resolver, DoctorModes.translating, .warning,
          "/etc/resolv.conf cannot be read (\(reason)): guests' names are asked of 127.0.0.1",
          remedy: "ls -lL /etc/resolv.conf")
      ]
    }
  }

  func subnets() -> [Finding] { subnets4() + subnets6() }

  /// IPv6 prefixes that the host has, too; nothing is reported for others.
  private func subnets6() -> [Finding] {
    facts.configuration.networks.compactMap { network in
      let mode = network.settings.mode
      let isTap = DoctorModes.withTap.contains(mode)
      let wanted =
        network.network6
        ?? HostTapRequest.wanted(by: network)?.address6.flatMap { IPv6Network($0)?.network }
      let own = facts.links.taps[network.name]?.name
      guard facts.links.limaBridges[network.name] == nil, let wanted,
        let text = NetworkConflicts.route6(
          wanted, among: facts.ip.routes6, addresses: facts.ip.addresses6,
          own: Set([own, "lo"].compactMap { $0 }))
      else { return nil }
      return resting(
        Finding(
          .subnet, [mode], isTap ? .problem : .warning,
          "network \(network.name): its IPv6 network \(text)",
          remedy: "\(facts.command) network edit \(network.name) --prefix6 auto"
            + homeWords), network)
    }
  }

  private func subnets4() -> [Finding] {
    facts.configuration.networks.compactMap { network in
      guard let subnet = Self.subnet(network) else { return nil }
      let mode = network.settings.mode
      let isTap = DoctorModes.withTap.contains(mode)
      if let bridge = facts.links.limaBridges[network.name] {
        return limaBridge(bridge, network, subnet)
      }
      let own = facts.links.taps[network.name]?.name
      guard let clash = clash(subnet, own: holder(of: own) == nil ? own : nil) else {
        return Finding(
          .subnet, [mode], .ok, "network \(network.name): nothing else here has \(subnet)")
      }
      return resting(
        Finding(
          .subnet, [mode], isTap ? .problem : .warning,
          "network \(network.name): its subnet \(subnet) is this host's already (\(clash))"
            + (isTap ? "" : ": guests do not reach what lies there"),
          remedy:
            "\(facts.command) network edit \(network.name) --gateway \(Self.other(than: facts))"
            + homeWords), network)
    }
  }

  /// Lima's own helper has, or had, the subnet.
  private func limaBridge(
    _ bridge: LimaBridge, _ network: NetworkConfiguration, _ subnet: IPv4Subnet
  ) -> Finding {
    switch bridge.state {
    case .kept(let pid):
      Finding(
        .subnet, [network.settings.mode], .ok,
        "network \(network.name): Lima's own helper (process \(pid)) keeps \(bridge.name) for it, which is joined: "
          + "DHCP and DNS are that one's")
    case .leftOver(let why):
      Finding(
        .subnet, [network.settings.mode], .problem,
        "network \(network.name): \(bridge.name) is left over from Lima's own helper (\(why)), and \(subnet) is "
          + "taken as long as it is there",
        remedy: asRoot("ip link del \(bridge.name)"))
    }
  }

  static func subnet(_ network: NetworkConfiguration) -> IPv4Subnet? {
    guard network.settings.mode != "bridged", network.peerSocket == nil,
      let gateway = network.settings.gateway
        ?? NetworkConfiguration.defaultGateways[network.settings.mode]
    else { return nil }
    let mask = network.settings.netmask ?? IPv4Address(0xFFFF_FF00)
    guard let length = IPv4Subnet.prefixLength(ofMask: mask), (1...30).contains(length) else {
      return nil
    }
    return IPv4Subnet(containing: gateway, prefixLength: length)
  }

  /// The interface or route that has the subnet: "br0 has 192.168.105.9/24", "route 192.168.105.0/24 by tun0".
  private func clash(_ subnet: IPv4Subnet, own: String?) -> String? {
    for one in facts.ip.addresses where one.interface != own && subnet.clashes(with: one) {
      return "\(one.interface) has \(IPv4Address(one.address))/\(one.prefixLength)"
        + (holder(of: one.interface).map { ", and is that of \($0.words)" } ?? "")
    }
    for route in facts.ip.routes where route.interface != own && subnet.clashes(with: route) {
      return "route \(IPv4Address(route.network))/\(route.prefixLength) by \(route.interface)"
    }
    return nil
  }

  /// The daemon of another home that holds an interface.
  func holder(of interface: String?) -> OtherDaemon? {
    interface.flatMap { name in facts.otherDaemons.first { $0.interfaces.contains(name) } }
  }

  /// A gateway of an unused subnet.
  static func other(than facts: HostFacts) -> String {
    let gateway = NetworkConfiguration.freeGateway(among: facts.configuration.networks) { subnet in
      facts.ip.addresses.contains { subnet.clashes(with: $0) }
        || facts.ip.routes.contains { subnet.clashes(with: $0) }
    }
    return gateway.description
  }
}
