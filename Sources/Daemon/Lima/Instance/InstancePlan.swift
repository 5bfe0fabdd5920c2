// SPDX-License-Identifier: Apache-2.0
//
// InstancePlan: what the networking of one instance comes to: its interfaces and where each is attached, its static
// forwards, its names. Made of a lima.yaml and the networks there are; whole or not at all. Pure.

import Platform

package struct InstancePlan: Sendable {
  package var identity: InstanceIdentity
  package var vmType: String
  package var arch: String
  /// The first is eth0.
  package var interfaces: [InstanceInterface]
  /// What the guest's resolver is to ask; empty: what DHCP says.
  package var nameservers: [String]
  /// 0: any free port.
  package var sshLocalPort: Int
  /// All of them, in order of precedence.
  package var rules: [PortForwardRule]
  package var plain: Bool
  package var statics: [StaticForward]
  /// What the DNS of eth0's network is asked to do.
  package var resolver: ResolverWish
  /// `hostResolver.hosts`: to addresses or other names.
  package var hosts: [String: String]
  /// What is left to Lima, or comes out differently from what one may expect.
  package var warnings: [String]
}

/// A network interface of an instance and its other end.
package struct InstanceInterface: Sendable, Hashable {
  package enum Attachment: Sendable, Hashable {
    /// A network of this home, with its sockets.
    case network(String, NetworkSockets)
    /// Somebody else's socket with QEMU's framing.
    case socket(String)
    /// Apple's own NAT.
    case vzNAT
  }

  /// "net0", as QEMU drivers call it.
  package var id: String
  /// In the guest: "eth0", "lima0".
  package var name: String
  package var mac: String
  package var metric: UInt32
  package var attachment: Attachment

  package var network: String? {
    if case .network(let name, _) = attachment { return name }
    return nil
  }
}

/// A forward that is there from the start.
package struct StaticForward: Sendable, Hashable {
  /// "tcp", "udp" or "unix".
  package var `protocol`: String
  package var host: String
  /// Nil: the guest's own address.
  package var guestIP: String?
  package var guestPort: Int
  /// Of the guest's own addresses the IPv6 one, if it has any.
  package var wantsIPv6 = false
}

/// What is known beside the lima.yaml.
package struct InstanceContext: Sendable {
  package var home: LimaHome
  package var networks: [NetworkConfiguration]
  package var machineID: String
  /// What made the instance; nil: older than the file that says so.
  package var limaVersion: String?
  /// For templates: the user's home, name and number, $TMPDIR.
  package var user: (home: String, name: String, id: UInt32, temporary: String)
  /// What is at a socket's path; nil: nothing.
  package var kindOfFile: @Sendable (String) -> FileInfo.Kind?
  /// The host is one that has vzNAT.
  package var isMacOS = Self.isHostMacOS

  private static var isHostMacOS: Bool {
    #if os(macOS)
      true
    #else
      false
    #endif
  }

  package init(
    home: LimaHome, networks: [NetworkConfiguration], machineID: String, limaVersion: String? = nil,
    user: (home: String, name: String, id: UInt32, temporary: String),
    kindOfFile: @escaping @Sendable (String) -> FileInfo.Kind? = { _ in nil }
  ) {
    self.home = home
    self.networks = networks
    self.machineID = machineID
    self.limaVersion = limaVersion
    self.user = user
    self.kindOfFile = kindOfFile
  }
}

extension InstancePlan {
  /// The network of an instance that has no user-v2 network, and the mode that takes its place.
  static let defaultNetwork = "default"
  static let replacingMode = "user-v2"
  static let maximumStaticForwards = 1024

  /// - Parameter yaml: merged with default.yaml and override.yaml.
  package init(
    _ yaml: LimaYAML, identity: InstanceIdentity, context: InstanceContext
  ) throws(LimaYAMLError) {
    let vmType = yaml.vmType ?? Self.hostVMType
    var yaml = yaml
    let directory = identity.directory
    let values = Self.templateValues(yaml, identity, context)
    // As Lima does before it checks: in a plain instance all other rules are as if they were not there.
    if yaml.plain == true { yaml.portForwards.removeAll { !$0.entry.isStatic } }
    for index in yaml.portForwards.indices {
      yaml.portForwards[index].entry.fill(socketDirectory: directory + "/sock") { text, isHost in
        LimaTemplate.expand(text, isHost ? values.host : values.guest)
      }
    }
    try LimaYAMLCheck.check(yaml, vmType: vmType, context: context)

    self.identity = identity
    self.vmType = vmType
    arch = yaml.arch ?? Self.hostArch
    plain = yaml.plain ?? false
    interfaces = Self.interfaces(yaml, identity, context)
    nameservers = Self.nameservers(yaml, vmType, interfaces[0], context)
    sshLocalPort = yaml.sshLocalPort ?? 0
    if sshLocalPort == 0, identity.name == "default", !Self.isVersion2(context.limaVersion) {
      sshLocalPort = 60022
    }
    rules = yaml.portForwards.compactMap(\.entry.rule)
    resolver = ResolverWish(yaml)
    hosts = yaml.resolverHosts
    warnings = yaml.warnings.map(\.description)
    warnings += interfaces.filter { $0.attachment == .vzNAT }.map { VZNAT.note($0.name) }
    for circle in AliasCircles(hosts.mapValues { [$0] }).all {
      warnings.append(
        "hostResolver.hosts: \(circle[0]) leads back to itself (\(circle.joined(separator: ", "))): "
          + "whoever asks for it gets SERVFAIL")
    }
    statics = []
    var count = 0
    for (index, rule) in rules.enumerated() where rule.isStatic && !rule.ignores {
      let some = Self.statics(rule, "portForwards[\(index)]", &warnings)
      count += some.isEmpty ? 0 : Self.count(rule)
      statics += some
    }
    guard count <= Self.maximumStaticForwards else {
      throw LimaYAMLError(problems: [
        LimaYAMLProblem(
          file: yaml.source.file, mark: yaml.portForwards.first?.source.mark(""),
          text:
            "the static rules of `portForwards` have \(count) ports: there may be "
            + "\(Self.maximumStaticForwards)")
      ])
    }
  }

  private static func interfaces(
    _ yaml: LimaYAML, _ identity: InstanceIdentity, _ context: InstanceContext
  ) -> [InstanceInterface] {
    func mode(_ name: String) -> String? {
      context.networks.first { $0.name == name }?.settings.mode
    }
    func attachment(_ name: String) -> InstanceInterface.Attachment {
      .network(name, context.home.networkSockets(name))
    }
    let first = yaml.networks.firstIndex { !$0.lima.isEmpty && mode($0.lima) == replacingMode }
    var result = [
      InstanceInterface(
        id: "net0", name: "eth0", mac: identity.primaryMAC(machineID: context.machineID),
        metric: 200, attachment: attachment(first.map { yaml.networks[$0].lima } ?? defaultNetwork))
    ]
    for (index, entry) in yaml.networks.enumerated() where index != first {
      let other: InstanceInterface.Attachment
      if !entry.lima.isEmpty {
        other = attachment(entry.lima)
      } else if !entry.socket.isEmpty {
        other = .socket(entry.socket)
      } else {
        other = .vzNAT
      }
      result.append(
        InstanceInterface(
          id: "net\(index + 1)", name: entry.interface.isEmpty ? "lima\(index)" : entry.interface,
          mac: entry.macAddress.isEmpty
            ? identity.mac(ofNetwork: index, machineID: context.machineID)
            : LimaYAMLCheck.canonicalMAC(entry.macAddress) ?? entry.macAddress,
          metric: entry.metric ?? 100, attachment: other))
    }
    return result
  }

  /// Lima's order: the list; the gateway where it serves DNS; the DNS address of the default network.
  private static func nameservers(
    _ yaml: LimaYAML, _ vmType: String, _ primary: InstanceInterface, _ context: InstanceContext
  ) -> [String] {
    if !yaml.dns.isEmpty { return yaml.dns }
    let network = context.networks.first { $0.name == primary.network }
    let subnet =
      network?.subnet ?? IPv4Subnet(containing: IPv4Address(0xc0a8_0500), prefixLength: 24)
    // Lima's gateway is the second address of any subnet, its DNS the third.
    if network?.settings.mode == replacingMode {
      return [IPv4Address(subnet.network.value + 2).description]
    }
    return yaml.resolverEnabled ?? true ? [IPv4Address(subnet.network.value + 3).description] : []
  }

  /// Ports of a rule, once for each protocol.
  private static func count(_ rule: PortForwardRule) -> Int {
    guard rule.hostSocket.isEmpty else { return 1 }
    return rule.guestPorts.count * (rule.transport == .any ? 2 : 1)
  }

  private static func statics(
    _ rule: PortForwardRule, _ field: String, _ warnings: inout [String]
  ) -> [StaticForward] {
    guard rule.guestSocket.isEmpty, !rule.isReverse else {
      warnings.append(
        "\(field): a socket of the guest is reached by ssh only; Lima's own ssh forwards it")
      return []
    }
    let guest =
      rule.guestIP.isLoopback || rule.guestIP.isUnspecified ? nil : rule.guestIP.description
    // A listener of IPv6 alone is not reached by the guest's IPv4 address.
    let wantsIPv6 = rule.guestIP == .loopbackIPv6 || rule.guestIP == .anyIPv6
    if !rule.hostSocket.isEmpty {
      return [
        StaticForward(
          protocol: "unix", host: rule.hostSocket, guestIP: guest,
          guestPort: rule.guestPorts.lowerBound, wantsIPv6: wantsIPv6)
      ]
    }
    let protocols = rule.transport == .any ? ["tcp", "udp"] : [rule.transport.rawValue]
    // Counted by `count`; a rule for all ports is not spelled out for that.
    return rule.guestPorts.prefix(maximumStaticForwards + 1).flatMap { port in
      protocols.map {
        StaticForward(
          protocol: $0, host: rule.hostEnd(ofGuestPort: port).listener, guestIP: guest,
          guestPort: port, wantsIPv6: wantsIPv6)
      }
    }
  }

  private static func templateValues(
    _ yaml: LimaYAML, _ identity: InstanceIdentity, _ context: InstanceContext
  ) -> (guest: [String: String], host: [String: String]) {
    var common = [
      "Name": identity.name, "Hostname": identity.hostname, "UID": "\(context.user.id)",
      "User": context.user.name,
    ]
    for (key, value) in yaml.param { common["Param.\(key)"] = value }
    let guest = common.merging(["Home": "/home/\(context.user.name).guest"]) { $1 }
    let host = common.merging([
      "Home": context.user.home, "Dir": identity.directory, "TempDir": context.user.temporary,
      "GlobalTempDir": "/tmp",
    ]) { $1 }
    return (guest, host)
  }

  private static func isVersion2(_ text: String?) -> Bool {
    guard let text, let major = text.split(separator: ".").first else { return false }
    return (Int(major.drop { $0 == "v" }) ?? 0) >= 2
  }

  private static var hostVMType: String {
    #if os(macOS)
      "vz"
    #else
      "qemu"
    #endif
  }

  /// As lima.yaml names it.
  package static var hostArch: String {
    #if arch(arm64)
      "aarch64"
    #elseif arch(s390x)
      "s390x"
    #elseif arch(riscv64)
      "riscv64"
    #else
      "x86_64"
    #endif
  }
}
