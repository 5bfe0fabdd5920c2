// SPDX-License-Identifier: Apache-2.0
//
// `dns:` of one network, or at the top for all of them: which plugin answers, with which options, and what holds
// whichever does: names with fixed answers, IPv6, servers.
//
//     dns: hostdns                      the plugin alone
//     dns:
//       plugin: hostdns                 a name or an absolute path
//       options: {timeout: 3}           the plugin's own
//       hosts: {db.internal: 10.0.0.5, registry.internal: db.internal}
//       ipv6: false                     names have no IPv6 addresses
//       servers: [192.0.2.53]           asked instead of the host's resolver
//       localOnly: true                 names of the network alone are answered
//     dns:
//       plugins:                        several: questions go to the first, which may ask the one behind it
//         - plugin: blocklist
//           options: {file: /etc/blocked}
//         - hostdns

import DNSMessage

/// The contents of one `dns:`.
struct DNSChoice {
  var pin: PluginPin?
  var options: JSONObject?
  /// All of `plugins`; nil: there is no list.
  var stages: [DNSStageChoice]?
  var hosts: [String: [String]] = [:]
  var ipv6: Bool?
  /// Nil: of mode `host`, whose guests reach nothing else either.
  var localOnly: Bool?
  var servers: [String]?
  /// By JSON pointer relative to `dns`.
  var marks: [String: Mark] = [:]

  /// This choice, with `common` for what it leaves open. A plugin and its options belong together; hosts are merged by
  /// name.
  func completed(by common: DNSChoice) -> DNSChoice {
    var result = self
    var inherited = common.marks
    if pin == nil, stages == nil {
      result.pin = common.pin
      result.stages = options == nil ? common.stages : nil
    }
    if pin == nil, options == nil, stages == nil {
      result.options = common.options
    } else {
      inherited = inherited.filter {
        !$0.key.hasPrefix("/options") && !$0.key.hasPrefix("/plugins")
      }
    }
    result.hosts = common.hosts.merging(hosts) { $1 }
    result.ipv6 = ipv6 ?? common.ipv6
    // A network with a DNS of its own choice has it to be asked.
    let choosesDNS = pin != nil || options != nil || stages != nil || servers != nil
    result.localOnly = localOnly ?? (choosesDNS ? false : common.localOnly)
    result.servers = servers ?? common.servers
    result.marks = inherited.merging(marks) { $1 }
    return result
  }

  func apply(to network: inout NetworkConfiguration) {
    network.settings.dns = pin
    network.settings.dnsOptions = options ?? [:]
    if let stages, let first = stages.first {
      network.settings.dns = first.pin
      network.settings.dnsOptions = first.options
      network.settings.dnsBehind = Array(stages.dropFirst())
      // The marks of the first plugin of a list are also those of a single one.
      for (pointer, mark) in marks where pointer.hasPrefix("/plugins/0/options") {
        network.marks["/dns" + pointer.dropFirst("/plugins/0".count)] = mark
      }
    }
    network.settings.dnsServers = servers
    network.settings.dnsIPv6 = ipv6 ?? true
    network.settings.dnsLocalOnly = localOnly ?? (network.settings.mode == "host")
    network.hosts = hosts
    for (pointer, mark) in marks { network.marks["/dns" + pointer] = mark }
  }
}

extension ConfigDecoder {
  mutating func decodeDNS(_ member: YAMLNode.Member, path: [String]) -> DNSChoice {
    var choice = DNSChoice(marks: ["": member.value.mark])
    guard case .mapping = member.value.content else {
      choice.pin = pin(member.value, path: path)
      return choice
    }
    let members = mapping(member.value, path: path, known: Self.dnsKeys)
    choice.pin = members["plugin"].flatMap { pin($0.value, path: path + ["plugin"]) }
    if let given = members["plugins"] {
      choice.stages = stages(given.value, path: path + ["plugins"], &choice.marks)
      for other in ["plugin", "options"] {
        guard let member = members[other] else { continue }
        problem(.besidePlugins(other), path + [other], member.keyMark)
      }
    }
    if let given = members["options"] {
      choice.options = options(
        given.value, path: path + ["options"], pointer: "/options", &choice.marks)
    }
    if let hosts = members["hosts"] { choice.hosts = decodeHosts(hosts, path: path + ["hosts"]) }
    if let ipv6 = members["ipv6"] { choice.ipv6 = bool(ipv6, path: path + ["ipv6"]) }
    if let local = members["localOnly"] {
      choice.localOnly = bool(local, path: path + ["localOnly"])
    }
    if let servers = members["servers"], !servers.value.isNull {
      servers.value.collectMarks(pointer: "/servers", into: &choice.marks)
      choice.servers = texts(servers.value, of: "servers", path: path + ["servers"])
    }
    return choice
  }

  /// Maximum number of DNS plugins of a network.
  private static let mostStages = 8

  /// A list of plugins, each of them a name, a path, or a mapping with options.
  private mutating func stages(
    _ node: YAMLNode, path: [String], _ marks: inout [String: Mark]
  ) -> [DNSStageChoice]? {
    guard case .sequence(let items) = node.content, (1...Self.mostStages).contains(items.count)
    else {
      problem(
        .wrongType(expected: "a list of 1 to \(Self.mostStages) plugins", found: node.kindName),
        path, node.mark)
      return nil
    }
    return items.enumerated().compactMap { index, item in
      let path = path + ["\(index)"]
      guard case .mapping = item.content else {
        return pin(item, path: path).map { DNSStageChoice(pin: $0) }
      }
      let members = mapping(item, path: path, known: ["plugin", "options"])
      guard let pin = members["plugin"].flatMap({ pin($0.value, path: path + ["plugin"]) }) else {
        problem(.wrongType(expected: "a plugin", found: "none"), path, item.mark)
        return nil
      }
      var choice = DNSStageChoice(pin: pin)
      if let given = members["options"] {
        choice.options = options(
          given.value, path: path + ["options"], pointer: "/plugins/\(index)/options", &marks)
      }
      return choice
    }
  }

  // MARK: Names

  private mutating func decodeHosts(
    _ member: YAMLNode.Member, path: [String]
  ) -> [String: [String]] {
    if member.value.isNull { return [:] }
    guard case .mapping(let entries) = member.value.content else {
      problem(
        .wrongType(
          expected: "a mapping of names to addresses or names", found: member.value.kindName),
        path, member.value.mark)
      return [:]
    }
    var hosts: [String: [String]] = [:]
    for entry in entries {
      guard let name = DNSName(entry.key), !name.isRoot, !name.hasStrayAsterisk,
        !entry.key.contains(where: \.isWhitespace)
      else {
        problem(.hostName(entry.key), path + [entry.key], entry.keyMark)
        continue
      }
      hosts[entry.key] = targets(entry.value, path: path + [entry.key])
    }
    for circle in AliasCircles(hosts).all {
      let entry = entries.first { DNSName($0.key)?.displayed.lowercased() == circle[0] }
      warnings.append(
        ConfigProblem(
          .aliasCircle(circle), path: path + (entry.map { [$0.key] } ?? []),
          mark: entry?.keyMark ?? member.keyMark))
    }
    return hosts
  }

  /// An address, several addresses, or another name.
  private mutating func targets(_ node: YAMLNode, path: [String]) -> [String] {
    if case .sequence = node.content {
      let addresses = texts(node, of: "addresses", path: path)
      if case .sequence(let items) = node.content, items.isEmpty {
        problem(.wrongType(expected: "a list of addresses", found: "an empty one"), path, node.mark)
      }
      for address in addresses where DNSAddress(address) == nil {
        problem(.hostAddress(address), path, node.mark)
      }
      return addresses
    }
    guard let text = string(node, path: path) else { return [] }
    if DNSAddress(text) == nil, !Self.isAlias(text) { problem(.hostTarget(text), path, node.mark) }
    return [text]
  }

  /// A domain name whose last label is a number is a mistyped address.
  static func isAlias(_ text: String) -> Bool {
    guard let name = DNSName(text), !name.isRoot,
      !text.contains(where: { $0 == ":" || $0.isWhitespace })
    else { return false }
    let last = text.split(separator: ".").last ?? ""
    return !last.allSatisfy(\.isNumber)
  }

  private mutating func texts(_ node: YAMLNode, of what: String, path: [String]) -> [String] {
    guard case .sequence(let items) = node.content else {
      problem(.wrongType(expected: "a list of \(what)", found: node.kindName), path, node.mark)
      return []
    }
    return items.enumerated().compactMap { string($0.element, path: path + ["\($0.offset)"]) }
  }
}
