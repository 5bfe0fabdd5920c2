// SPDX-License-Identifier: Apache-2.0
//
// LimaYAMLDecoder: converts a YAML tree to a LimaYAML. Types are checked here, values in LimaYAMLCheck.swift. Unrelated
// keys of Lima are ignored; misspelt ones, where detectable, are warnings (LimaYAMLDecoder+Keys.swift).

import DNSMessage

package struct LimaYAMLDecoder {
  let file: String
  private(set) var problems: [LimaYAMLProblem] = []
  var warnings: [LimaYAMLProblem] = []

  init(file: String) { self.file = file }

  /// - Parameter bytes: the contents of `file`.
  package static func decode(_ bytes: [UInt8], file: String) throws(LimaYAMLError) -> LimaYAML {
    var decoder = LimaYAMLDecoder(file: file)
    var yaml = LimaYAML()
    yaml.source.file = file
    do throws(YAMLError) {
      if let root = try YAMLReader.read(bytes), !root.isNull { decoder.decode(root, into: &yaml) }
    } catch {
      throw LimaYAMLError(problems: [
        LimaYAMLProblem(file: file, mark: error.mark, text: ConfigProblem.sentence(error.problem))
      ])
    }
    guard decoder.problems.isEmpty else { throw LimaYAMLError(problems: decoder.problems) }
    yaml.warnings = decoder.warnings
    return yaml
  }

  private mutating func decode(_ root: YAMLNode, into yaml: inout LimaYAML) {
    let top = members(root, "the file")
    checkTop(root)
    yaml.vmType = string(top["vmType"], "vmType")
    yaml.arch = string(top["arch"], "arch")
    yaml.plain = bool(top["plain"], "plain")
    if let ssh = top["ssh"] {
      let keys = members(ssh, "ssh")
      check(ssh, "ssh", Self.sshKeys)
      yaml.sshLocalPort = integer(keys["localPort"], "ssh.localPort")
      yaml.source.marks["ssh.localPort"] = keys["localPort"]?.mark
    }
    if let dns = top["dns"] {
      yaml.source.marks["dns"] = dns.mark
      for (index, item) in items(dns, "dns").enumerated() {
        guard let text = string(item, "dns[\(index)]") else { continue }
        if ForwardIP(text) == nil {
          problem("field `dns[\(index)]`: `\(text)` is no IP address", item)
        }
        yaml.dns.append(text)
      }
    }
    if let param = top["param"] {
      for (key, value) in members(param, "param") {
        yaml.param[key] = string(value, "param.\(key)")
      }
    }
    if let resolver = top["hostResolver"] { decodeResolver(resolver, into: &yaml) }
    if let networks = top["networks"] {
      for (index, item) in items(networks, "networks").enumerated() {
        yaml.networks.append(network(item, "networks[\(index)]"))
      }
    }
    if let forwards = top["portForwards"] {
      for (index, item) in items(forwards, "portForwards").enumerated() {
        yaml.portForwards.append(forward(item, "portForwards[\(index)]"))
      }
    }
  }

  private mutating func decodeResolver(_ node: YAMLNode, into yaml: inout LimaYAML) {
    let keys = members(node, "hostResolver")
    check(node, "hostResolver", Self.resolverKeys)
    yaml.resolverEnabled = bool(keys["enabled"], "hostResolver.enabled")
    yaml.resolverIPv6 = bool(keys["ipv6"], "hostResolver.ipv6")
    guard let hosts = keys["hosts"] else { return }
    for (name, value) in members(hosts, "hostResolver.hosts") {
      let field = "hostResolver.hosts.\(name)"
      guard let target = string(value, field) else { continue }
      guard let parsed = DNSName(name), !parsed.hasStrayAsterisk else {
        problem("field `\(field)`: `\(name)` is no domain name, nor `*.` and one", value)
        continue
      }
      guard ForwardIP(target) != nil || DNSName(target) != nil else {
        problem("field `\(field)`: `\(target)` is neither an IP address nor a domain name", value)
        continue
      }
      yaml.resolverHosts[Self.canonical(name)] =
        ForwardIP(target) != nil ? target : Self.canonical(target)
    }
  }

  private static func canonical(_ name: String) -> String {
    let name = name.lowercased()
    return name.hasSuffix(".") ? String(name.dropLast()) : name
  }

  // MARK: Items

  private mutating func network(_ node: YAMLNode, _ field: String) -> LimaYAML.NetworkEntry {
    let keys = members(node, field)
    check(node, field, Self.networkKeys)
    var entry = LimaYAML.NetworkEntry()
    entry.source = source(node, keys)
    entry.lima = string(keys["lima"], "\(field).lima") ?? ""
    entry.socket = string(keys["socket"], "\(field).socket") ?? ""
    entry.vzNAT = bool(keys["vzNAT"], "\(field).vzNAT")
    entry.macAddress = string(keys["macAddress"], "\(field).macAddress") ?? ""
    entry.interface = string(keys["interface"], "\(field).interface") ?? ""
    if let metric = integer(keys["metric"], "\(field).metric") {
      entry.metric = UInt32(exactly: metric)
      if entry.metric == nil, let node = keys["metric"] {
        problem("field `\(field).metric` must be between 0 and 4294967295", node)
      }
    }
    return entry
  }

  private mutating func forward(_ node: YAMLNode, _ field: String) -> LimaYAML.Forward {
    let keys = members(node, field)
    check(node, field, Self.forwardKeys)
    var entry = PortForwardEntry()
    entry.guestIP = address(keys["guestIP"], "\(field).guestIP")
    entry.guestIPMustBeZero = bool(keys["guestIPMustBeZero"], "\(field).guestIPMustBeZero")
    entry.guestPort = integer(keys["guestPort"], "\(field).guestPort") ?? 0
    entry.guestPortRange = range(keys["guestPortRange"], "\(field).guestPortRange")
    entry.guestSocket = string(keys["guestSocket"], "\(field).guestSocket") ?? ""
    entry.hostIP = address(keys["hostIP"], "\(field).hostIP")
    entry.hostPort = integer(keys["hostPort"], "\(field).hostPort") ?? 0
    entry.hostPortRange = range(keys["hostPortRange"], "\(field).hostPortRange")
    entry.hostSocket = string(keys["hostSocket"], "\(field).hostSocket") ?? ""
    entry.proto = string(keys["proto"], "\(field).proto") ?? ""
    entry.reverse = bool(keys["reverse"], "\(field).reverse") ?? false
    entry.ignore = bool(keys["ignore"], "\(field).ignore") ?? false
    entry.isStatic = bool(keys["static"], "\(field).static") ?? false
    return LimaYAML.Forward(entry: entry, source: source(node, keys))
  }

  private func source(_ node: YAMLNode, _ keys: [String: YAMLNode]) -> LimaYAML.Source {
    LimaYAML.Source(file: file, marks: keys.mapValues(\.mark).merging(["": node.mark]) { $1 })
  }

  // MARK: Values

  private mutating func problem(_ text: String, _ node: YAMLNode) {
    problems.append(LimaYAMLProblem(file: file, mark: node.mark, text: text))
  }

  private mutating func members(_ node: YAMLNode, _ field: String) -> [String: YAMLNode] {
    if node.isNull { return [:] }
    guard case .mapping(let members) = node.content else {
      problem("field `\(field)` must be a mapping, not \(node.kindName)", node)
      return [:]
    }
    // The reader has refused duplicate keys.
    return Dictionary(members.map { ($0.key, $0.value) }) { $1 }
  }

  private mutating func items(_ node: YAMLNode, _ field: String) -> [YAMLNode] {
    if node.isNull { return [] }
    guard case .sequence(let items) = node.content else {
      problem("field `\(field)` must be a list, not \(node.kindName)", node)
      return []
    }
    return items
  }

  private mutating func string(_ node: YAMLNode?, _ field: String) -> String? {
    guard let node, !node.isNull else { return nil }
    guard case .scalar(let text, _) = node.content else {
      problem("field `\(field)` must be a single value, not \(node.kindName)", node)
      return nil
    }
    guard !text.utf8.contains(0) else {
      problem("field `\(field)` must not contain a NUL", node)
      return nil
    }
    return text
  }

  private mutating func bool(_ node: YAMLNode?, _ field: String) -> Bool? {
    guard let node, !node.isNull else { return nil }
    guard case .bool(let value) = node.jsonValue else {
      problem("field `\(field)` must be true or false", node)
      return nil
    }
    return value
  }

  private mutating func integer(_ node: YAMLNode?, _ field: String) -> Int? {
    guard let node, !node.isNull else { return nil }
    // Lima accepts a quoted number.
    guard case .scalar(let text, _) = node.content,
      case .integer(let value) = YAMLNode(
        content: .scalar(text: text, plain: true), mark: node.mark
      ).jsonValue, let int = Int(exactly: value)
    else {
      problem("field `\(field)` must be a whole number", node)
      return nil
    }
    return int
  }

  private mutating func range(_ node: YAMLNode?, _ field: String) -> [Int] {
    guard let node, !node.isNull else { return [0, 0] }
    let ends = items(node, field)
    guard ends.count == 2, let first = integer(ends[0], "\(field)[0]"),
      let last = integer(ends[1], "\(field)[1]")
    else {
      problem("field `\(field)` must be a list of two port numbers, as [8000, 8010]", node)
      return [0, 0]
    }
    return [first, last]
  }

  private mutating func address(_ node: YAMLNode?, _ field: String) -> ForwardIP? {
    guard let node, let text = string(node, field), !text.isEmpty else { return nil }
    guard let address = ForwardIP(text) else {
      problem("field `\(field)`: `\(text)` is no IP address", node)
      return nil
    }
    return address
  }
}
