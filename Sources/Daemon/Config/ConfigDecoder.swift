// SPDX-License-Identifier: Apache-2.0
//
// ConfigDecoder: converts a YAML tree to a Configuration. It continues after a problem, so that all are reported at once,
// and throws if there was any, so that a file is applied completely or not at all. Keys and rules are Lima's, with
// additional keys: per network `plugin`, `dns`, `options`; at the top `dns`, `plugins`.

import Platform

package struct ConfigDecoder {
  var problems: [ConfigProblem] = []
  var warnings: [ConfigProblem] = []
  private let homeDirectory: String

  static let topKeys = ["paths", "group", "networks", "plugins", "dns", "user"]
  static let pathKeys = ["socketVMNet", "varRun", "sudoers"]
  /// Keys of older versions of Lima, which never change an existing file.
  static let obsoletePathKeys = ["vdeSwitch", "vdeVMNet"]
  static let dnsKeys = ["plugin", "plugins", "options", "hosts", "ipv6", "localOnly", "servers"]
  /// `dns:` at the top, for all networks.
  private var commonDNS = DNSChoice()
  /// `user:` at the top, for all networks that name none.
  var commonUser: ProcessUser?
  let accounts: Accounts

  private init(homeDirectory: String, accounts: Accounts) {
    self.homeDirectory = homeDirectory
    self.accounts = accounts
  }

  /// Decodes the text of `file`. `homeDirectory` replaces `~/` in paths.
  /// - Parameter template: defaults for missing keys of `paths`.
  package static func decode(
    _ bytes: [UInt8], file: String, homeDirectory: String, template: NetworksTemplate = .current,
    accounts: Accounts = .system
  ) throws(ConfigError) -> Configuration {
    var decoder = ConfigDecoder(homeDirectory: homeDirectory, accounts: accounts)
    var configuration = Configuration(
      file: file, present: true, networks: [], pluginDirectories: [],
      paths: .absent(in: template), warnings: [])
    do {
      if let root = try YAMLReader.read(bytes), !root.isNull {
        decoder.decode(root, into: &configuration)
      }
    } catch {
      decoder.problems.append(ConfigProblem(.yaml(error.problem), mark: error.mark))
    }
    guard decoder.problems.isEmpty else {
      throw ConfigError(file: file, problems: decoder.problems)
    }
    configuration.networks = decoder.withBuiltins(configuration.networks)
    configuration.warnings = decoder.warnings
    return configuration
  }

  /// The configuration without a file.
  package static func withoutFile(
    _ file: String, template: NetworksTemplate = .current
  ) -> Configuration {
    Configuration(
      file: file, present: false, networks: NetworkConfiguration.builtins, pluginDirectories: [],
      paths: NetworksPaths(template), warnings: [])
  }

  /// Adds the built-in networks. Lima's rule: unless some network has mode user-v2 and a gateway, the network `user-v2`
  /// gets the built-in gateway and netmask.
  private func withBuiltins(_ written: [NetworkConfiguration]) -> [NetworkConfiguration] {
    var networks: [String: NetworkConfiguration] = [:]
    for network in written { networks[network.name] = network }
    let complete = written.contains {
      $0.settings.mode == "user-v2" && $0.settings.gateway != nil
    }
    for var builtin in NetworkConfiguration.builtins {
      commonDNS.apply(to: &builtin)
      builtin.settings.user = commonUser
      if builtin.name == "user-v2" {
        if complete { continue }
        if var own = networks[builtin.name] {
          guard own.settings.mode == "user-v2" else { continue }
          own.settings.gateway = builtin.settings.gateway
          own.settings.netmask = builtin.settings.netmask
          networks[builtin.name] = own
          continue
        }
      }
      if networks[builtin.name] == nil { networks[builtin.name] = builtin }
    }
    return networks.values.sorted { $0.name < $1.name }
  }

  // MARK: The top

  private mutating func decode(_ root: YAMLNode, into configuration: inout Configuration) {
    let top = mapping(root, path: [], known: Self.topKeys)
    if let paths = top["paths"], !paths.value.isNull {
      decodePaths(paths.value, into: &configuration.paths)
    }
    if let group = top["group"], let name = string(group, path: ["group"]), !name.isEmpty {
      checkIdentifier(name, path: ["group"], mark: group.value.mark)
      configuration.paths.group = name
    }
    if let user = top["user"] { commonUser = decodeUser(user, path: ["user"]) }
    if let dns = top["dns"] { commonDNS = decodeDNS(dns, path: ["dns"]) }
    if let plugins = top["plugins"] {
      configuration.pluginDirectories = decodeDirectories(plugins.value)
    }
    if let networks = top["networks"], !networks.value.isNull {
      configuration.networks = decodeNetworks(networks.value, commonDNS: commonDNS)
      checkOverlaps(withBuiltins(configuration.networks))
    }
  }

  private mutating func decodePaths(_ node: YAMLNode, into result: inout NetworksPaths) {
    let paths = mapping(
      node, path: ["paths"], known: Self.pathKeys, obsolete: Self.obsoletePathKeys)
    for key in Self.pathKeys {
      guard let member = paths[key], let text = string(member, path: ["paths", key]) else {
        continue
      }
      if !text.isEmpty, !text.hasPrefix("/") {
        problem(.relativePath(text), ["paths", key], member.value.mark)
      }
      switch key {
      case "socketVMNet": result.socketVMNet = text
      case "varRun": result.varRun = text
      default: result.sudoers = text
      }
    }
  }

  private mutating func decodeDirectories(_ node: YAMLNode) -> [String] {
    if node.isNull { return [] }
    guard case .sequence(let items) = node.content else {
      problem(
        .wrongType(expected: "a list of directories", found: node.kindName), ["plugins"], node.mark)
      return []
    }
    var directories: [String] = []
    for (index, item) in items.enumerated() {
      let path = ["plugins", String(index)]
      guard let text = string(item, path: path) else { continue }
      if let directory = absolute(text) {
        directories.append(directory)
      } else {
        problem(.relativePath(text), path, item.mark)
      }
    }
    return directories
  }

  private mutating func checkOverlaps(_ networks: [NetworkConfiguration]) {
    // An invalid netmask is reported elsewhere.
    let named = networks.compactMap { network in network.subnet.map { (network, $0) } }
      .filter { (8...30).contains($0.1.prefixLength) }
      .sorted { ($0.0.marks[""]?.line ?? 0) < ($1.0.marks[""]?.line ?? 0) }
    for (index, (network, subnet)) in named.enumerated() {
      for (other, otherSubnet) in named[..<index] where subnet.overlaps(otherSubnet) {
        problem(
          .overlap(subnet, with: other.name, otherSubnet, at: other.mark(at: "/gateway")),
          ["networks", network.name, "gateway"], network.mark(at: "/gateway"))
      }
    }
    let named6 = networks.compactMap { network in network.network6.map { (network, $0) } }
      .sorted { ($0.0.marks[""]?.line ?? 0) < ($1.0.marks[""]?.line ?? 0) }
    for (index, (network, own)) in named6.enumerated() {
      for (other, theirs) in named6[..<index] where own.overlaps(theirs) {
        problem(
          .overlap6(own, with: other.name, at: other.mark(at: "/options/prefix6")),
          ["networks", network.name, "options"], network.mark(at: "/options/prefix6"))
      }
    }
  }

  // MARK: Tools

  mutating func problem(_ kind: ConfigProblem.Kind, _ path: [String], _ mark: Mark?) {
    problems.append(ConfigProblem(kind, path: path, mark: mark))
  }

  /// The members of a mapping by key. Reports each unknown key, and a value that is no mapping.
  mutating func mapping(
    _ node: YAMLNode, path: [String], known: [String], obsolete: [String] = []
  ) -> [String: YAMLNode.Member] {
    guard case .mapping(let members) = node.content else {
      problem(.wrongType(expected: "a mapping", found: node.kindName), path, node.mark)
      return [:]
    }
    var result: [String: YAMLNode.Member] = [:]
    for member in members {
      if known.contains(member.key) {
        result[member.key] = member
      } else if obsolete.contains(member.key) {
        warnings.append(
          ConfigProblem(.obsoleteKey, path: path + [member.key], mark: member.keyMark))
      } else {
        problem(
          .unknownKey(nearest: Identifier.nearest(to: member.key, among: known), known: known),
          path + [member.key], member.keyMark)
      }
    }
    return result
  }

  /// A truth value; nil for nothing, and a problem for all else.
  /// on or off, true or false.
  /// - Parameter or: other words that are taken, for the message.
  mutating func decodeSwitch(
    _ member: YAMLNode.Member, path: [String], or more: String = ""
  ) -> Bool? {
    switch member.value.jsonValue {
    case .bool(let value): return value
    case .string("on"), .string("yes"): return true
    case .string("off"), .string("no"): return false
    default:
      problem(
        .wrongType(expected: "on or off\(more)", found: member.value.kindName), path,
        member.value.mark)
      return nil
    }
  }

  mutating func bool(_ member: YAMLNode.Member, path: [String]) -> Bool? {
    if member.value.isNull { return nil }
    guard case .bool(let value) = member.value.jsonValue else {
      problem(
        .wrongType(expected: "true or false", found: member.value.kindName), path, member.value.mark
      )
      return nil
    }
    return value
  }

  /// The text of a scalar. Nil for null; lists and mappings are reported.
  mutating func string(_ node: YAMLNode, path: [String]) -> String? {
    if node.isNull { return nil }
    guard case .scalar(let text, _) = node.content else {
      problem(.wrongType(expected: "a single value", found: node.kindName), path, node.mark)
      return nil
    }
    return text
  }

  mutating func string(_ member: YAMLNode.Member, path: [String]) -> String? {
    string(member.value, path: path)
  }

  mutating func checkIdentifier(_ text: String, path: [String], mark: Mark) {
    if !Identifier.isValid(text) { problem(.identifier(text), path, mark) }
  }

  func absolute(_ path: String) -> String? {
    if path.hasPrefix("~/") { return homeDirectory + path.dropFirst() }
    return path.hasPrefix("/") ? path : nil
  }
}
