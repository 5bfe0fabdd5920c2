// SPDX-License-Identifier: Apache-2.0
//
// A network of networks.yaml: its keys, and rules between its addresses.

extension ConfigDecoder {
  static let networkKeys = [
    "mode", "interface", "gateway", "dhcpEnd", "netmask", "plugin", "dns", "options", "sandbox",
    "egress", "limits", "portSecurity", "watchdog", "user",
  ]

  mutating func decodeNetworks(_ node: YAMLNode, commonDNS: DNSChoice) -> [NetworkConfiguration] {
    guard case .mapping(let members) = node.content else {
      problem(
        .wrongType(expected: "a mapping of names to networks", found: node.kindName), ["networks"],
        node.mark)
      return []
    }
    return members.map { decodeNetwork($0, commonDNS: commonDNS) }
  }

  private mutating func decodeNetwork(
    _ entry: YAMLNode.Member, commonDNS: DNSChoice
  ) -> NetworkConfiguration {
    let path = ["networks", entry.key]
    checkIdentifier(entry.key, path: path, mark: entry.keyMark)
    if entry.key.hasPrefix("lima-netd.") || entry.key.hasPrefix("lima-netd_") {
      problem(.reservedName(entry.key), path, entry.keyMark)
    }
    let members = mapping(entry.value, path: path, known: Self.networkKeys)
    var marks = ["": entry.keyMark]
    for (key, member) in members {
      marks["/" + key] = member.value.mark
      marks[YAMLNode.keyPointer("/" + key)] = member.keyMark
    }
    var settings = NetworkConfiguration.Settings(mode: "")

    if let member = members["mode"], !member.value.isNull {
      if let mode = string(member, path: path + ["mode"]) {
        checkIdentifier(mode, path: path + ["mode"], mark: member.value.mark)
        settings.mode = mode
      }
    } else if case .mapping = entry.value.content {
      problem(.missingMode, path, entry.keyMark)
    }
    if let member = members["interface"],
      let name = string(member, path: path + ["interface"]), !name.isEmpty
    {
      let legal = name.utf8.count < 16 && !name.contains { $0.isWhitespace || $0 == "/" }
      if !legal { problem(.interfaceName(name), path + ["interface"], member.value.mark) }
      settings.interface = name
    }
    settings.gateway = address(members["gateway"], path: path + ["gateway"])
    settings.netmask = address(members["netmask"], path: path + ["netmask"])
    settings.dhcpEnd = address(members["dhcpEnd"], path: path + ["dhcpEnd"])
    checkAddresses(&settings, members, path: path)

    if let member = members["plugin"] {
      settings.plugin = pin(member.value, path: path + ["plugin"])
    }
    if let member = members["sandbox"], !member.value.isNull {
      settings.isStrict = member.value.jsonValue == .string("strict")
      settings.isConfined =
        settings.isStrict
        || decodeSwitch(member, path: path + ["sandbox"], or: ", or strict") ?? true
    }
    settings.user =
      members["user"].map { decodeUser($0, path: path + ["user"]) } ?? commonUser
    if let member = members["options"] {
      settings.options = options(
        member.value, path: path + ["options"], pointer: "/options", &marks)
    }
    for key in Self.addressKeys {
      guard let member = members[key], !member.value.isNull, settings.options[key] != nil else {
        continue
      }
      problem(.twice(key, "options"), path + [key], member.keyMark)
    }
    for key in Self.optionKeys {
      guard let member = members[key], !member.value.isNull else { continue }
      decodeOption(key, member, path: path, &settings, &marks)
    }
    var network = NetworkConfiguration(
      name: entry.key, builtin: false, settings: settings, marks: marks)
    if let member = members["watchdog"], !member.value.isNull {
      network.watchdog = decodeWatchdog(member, path: path + ["watchdog"])
    }
    warnOfUseless(network, members)
    let ownDNS = members["dns"].map { decodeDNS($0, path: path + ["dns"]) } ?? DNSChoice()
    ownDNS.completed(by: commonDNS).apply(to: &network)
    return network
  }

  /// Keys of Lima's that a plugin may have as options, too.
  private static let addressKeys = ["interface", "gateway", "netmask", "dhcpEnd"]

  /// Keys of a network that are options of its plugin: one that has none of the name refuses it.
  static let optionKeys = ["egress", "limits", "portSecurity"]

  private mutating func decodeOption(
    _ key: String, _ member: YAMLNode.Member, path: [String],
    _ settings: inout NetworkConfiguration.Settings,
    _ marks: inout [String: Mark]
  ) {
    guard settings.options[key] == nil else {
      return problem(.twice(key, "options"), path + [key], member.keyMark)
    }
    settings.options[key] = member.value.jsonValue
    marks["/options/\(key)"] = member.value.mark
    marks[YAMLNode.keyPointer("/options/\(key)")] = member.keyMark
    member.value.collectMarks(pointer: "/options/\(key)", into: &marks)
  }

  /// Seconds; nil for `off`.
  private mutating func decodeWatchdog(_ member: YAMLNode.Member, path: [String]) -> Int? {
    switch member.value.jsonValue {
    case .bool(false), .string("off"), .string("no"): return nil
    case let value:
      if let seconds: Int = value.integer(), NetworkConfiguration.watchdogRange.contains(seconds) {
        return seconds
      }
      let range = NetworkConfiguration.watchdogRange
      let expected = "a number of seconds from \(range.lowerBound) to \(range.upperBound), or off"
      let found =
        if case .scalar(let text, _) = member.value.content { "`\(text)`" } else {
          member.value.kindName
        }
      problem(.wrongType(expected: expected, found: found), path, member.value.mark)
      return NetworkConfiguration.defaultWatchdog
    }
  }

  /// Warns of keys without an effect beside `socket`: the other daemon assigns the addresses.
  private mutating func warnOfUseless(
    _ network: NetworkConfiguration, _ members: [String: YAMLNode.Member]
  ) {
    guard network.peerSocket != nil, Self.socketModes.contains(network.settings.mode) else {
      return
    }
    let path = ["networks", network.name]
    for key in ["interface", "gateway", "netmask", "dhcpEnd", "dns"] {
      guard let member = members[key], !member.value.isNull else { continue }
      warnings.append(ConfigProblem(.besideSocket, path: path + [key], mark: member.keyMark))
    }
    for option in network.settings.options.members
    where !["socket", "mtu", "limits"].contains(option.name) && option.value != .null {
      let pointer = "/options/" + JSONPointer.escape(option.name)
      let mark = network.marks[YAMLNode.keyPointer(pointer)] ?? network.mark(at: pointer)
      warnings.append(
        ConfigProblem(.besideSocket, path: path + ["options", option.name], mark: mark))
    }
  }

  /// Modes of networks that may have another daemon's socket as uplink.
  private static let socketModes = ["shared", "host", "bridged"]

  /// A plugin's name, or the path of its file.
  mutating func pin(_ node: YAMLNode, path: [String]) -> PluginPin? {
    guard let text = string(node, path: path), !text.isEmpty else { return nil }
    if text.contains("/") {
      if let file = absolute(text) { return .file(file) }
      problem(.relativePath(text), path, node.mark)
      return nil
    }
    checkIdentifier(text, path: path, mark: node.mark)
    return .name(text)
  }

  mutating func options(
    _ node: YAMLNode, path: [String], pointer: String, _ marks: inout [String: Mark]
  ) -> JSONObject {
    if node.isNull { return [:] }
    guard case .mapping = node.content else {
      problem(.wrongType(expected: "a mapping", found: node.kindName), path, node.mark)
      return [:]
    }
    node.collectMarks(pointer: pointer, into: &marks)
    return node.jsonValue.object ?? [:]
  }

  // MARK: Addresses

  private mutating func address(_ member: YAMLNode.Member?, path: [String]) -> IPv4Address? {
    guard let member, let text = string(member, path: path), !text.isEmpty else { return nil }
    guard let address = IPv4Address(text) else {
      problem(.notIPv4(text), path, member.value.mark)
      return nil
    }
    return address
  }

  private mutating func checkAddresses(
    _ settings: inout NetworkConfiguration.Settings, _ members: [String: YAMLNode.Member],
    path: [String]
  ) {
    func mark(_ key: String) -> Mark? { members[key]?.value.mark }
    var prefixLength = 24
    if let netmask = settings.netmask {
      guard let length = IPv4Subnet.prefixLength(ofMask: netmask) else {
        return problem(.netmaskNotContiguous(netmask), path + ["netmask"], mark("netmask"))
      }
      guard (8...30).contains(length) else {
        return problem(.netmaskSize(length), path + ["netmask"], mark("netmask"))
      }
      prefixLength = length
    }
    if settings.gateway == nil, members["gateway"].map(\.value.isNull) ?? true {
      settings.gateway = NetworkConfiguration.defaultGateways[settings.mode]
    }
    guard let gateway = settings.gateway else {
      // Lima has a default gateway for `user-v2`; in other modes these keys need a gateway. An invalid gateway has been
      // reported already.
      guard members["gateway"].map(\.value.isNull) ?? true, settings.mode != "user-v2" else {
        return
      }
      for key in ["netmask", "dhcpEnd"] where members[key].map({ !$0.value.isNull }) ?? false {
        problem(.needsGateway, path + [key], mark(key))
      }
      return
    }
    guard gateway.isUnicast else {
      return problem(.notUnicast(gateway), path + ["gateway"], mark("gateway"))
    }
    // The default documented in Lima's template.
    if members["netmask"].map(\.value.isNull) ?? true {
      settings.netmask = IPv4Address(0xFFFF_FF00)
    }
    let subnet = IPv4Subnet(containing: gateway, prefixLength: prefixLength)
    if gateway == subnet.network {
      problem(.gatewayIsNetwork(subnet), path + ["gateway"], mark("gateway"))
    } else if gateway == subnet.broadcast {
      problem(.gatewayIsBroadcast(subnet), path + ["gateway"], mark("gateway"))
    }
    if let end = settings.dhcpEnd {
      if !subnet.contains(end) || end == subnet.broadcast || end == subnet.network {
        problem(.dhcpEndOutside(subnet), path + ["dhcpEnd"], mark("dhcpEnd"))
      } else if end <= gateway {
        problem(.dhcpEndBeforeGateway(gateway: gateway), path + ["dhcpEnd"], mark("dhcpEnd"))
      }
    }
  }
}

extension PluginPin {
  /// The default DNS plugin.
  package static let defaultDNS = "hostdns"
}
