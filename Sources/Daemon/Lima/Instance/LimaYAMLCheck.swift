// SPDX-License-Identifier: Apache-2.0
//
// LimaYAMLCheck: what Lima finds wrong with the networking of a merged lima.yaml, in its words, all at once. One rule of
// Lima's is not ours: that networks of modes other than user-v2 are for macOS only.

import Platform

enum LimaYAMLCheck {
  /// - Parameter yaml: merged; its forwards are filled.
  static func check(
    _ yaml: LimaYAML, vmType: String, context: InstanceContext
  ) throws(LimaYAMLError) {
    var problems: [LimaYAMLProblem] = []
    func say(_ source: LimaYAML.Source, _ key: String, _ text: String) {
      problems.append(
        LimaYAMLProblem(
          file: source.file.isEmpty ? yaml.source.file : source.file, mark: source.mark(key),
          text: text))
    }
    if let port = yaml.sshLocalPort {
      switch port {
      case ..<0: say(yaml.source, "ssh.localPort", "field `ssh.localPort` must be > 0")
      case 22: say(yaml.source, "ssh.localPort", "field `ssh.localPort` must not be 22")
      case 65536...: say(yaml.source, "ssh.localPort", "field `ssh.localPort` must be < 65536")
      default: break
      }
    }
    for (index, forward) in yaml.portForwards.enumerated() {
      for problem in forward.entry.problems(field: "portForwards[\(index)]") {
        say(forward.source, problem.key, problem.text)
      }
    }
    if !yaml.dns.isEmpty, yaml.resolverEnabled ?? true {
      say(
        yaml.source, "dns",
        "field `dns` must be empty when field `HostResolver.Enabled` is true")
    }
    checkNetworks(yaml, vmType, context, say)
    guard problems.isEmpty else { throw LimaYAMLError(problems: problems) }
  }

  private static func checkNetworks(
    _ yaml: LimaYAML, _ vmType: String, _ context: InstanceContext,
    _ say: (LimaYAML.Source, String, String) -> Void
  ) {
    var names: [String: Int] = [:]
    for (index, entry) in yaml.networks.enumerated() {
      let field = "networks[\(index)]"
      func wrong(_ key: String, _ text: String) { say(entry.source, key, text) }
      let vzNAT = entry.vzNAT ?? false
      if !entry.lima.isEmpty {
        guard context.networks.contains(where: { $0.name == entry.lima }) else {
          // As Lima does: what follows would be said of a network that nobody knows.
          return wrong(
            "lima",
            "field `\(field).lima` references network `\(entry.lima)` which is not defined in networks.yaml"
              + nearest(entry.lima, context))
        }
        if !entry.socket.isEmpty {
          wrong(
            "socket", "field `\(field).lima` and field `\(field).socket` are mutually exclusive")
        }
        if vzNAT {
          wrong("vzNAT", "field `\(field).lima` and field `\(field).vzNAT` are mutually exclusive")
        }
      } else if !entry.socket.isEmpty {
        if vzNAT {
          wrong(
            "vzNAT", "field `\(field).socket` and field `\(field).vzNAT` are mutually exclusive")
        }
        if let kind = context.kindOfFile(entry.socket), kind != .socket {
          wrong("socket", "field `\(field).socket` `\(entry.socket)` points to a non-socket file")
        }
      } else if vzNAT {
        if vmType != "vz" {
          wrong(
            "vzNAT",
            "field `\(field).vzNAT` requires `vmType` to be `vz`: "
              + VZNAT.instead(context.networks))
        } else if !context.isMacOS {
          wrong(
            "vzNAT",
            "field `\(field).vzNAT` requires macOS: " + VZNAT.instead(context.networks))
        }
      } else {
        wrong("", "field `\(field).lima` or  field `\(field).socket must be set")
      }
      if !entry.macAddress.isEmpty { checkMAC(entry.macAddress, field, wrong) }
      checkInterface(
        entry.interface.isEmpty ? "lima\(index)" : entry.interface, field, index, &names, wrong)
    }
  }

  private static func nearest(_ name: String, _ context: InstanceContext) -> String {
    Identifier.nearest(to: name, among: context.networks.map(\.name).sorted())
      .map { ": did you mean `\($0)`?" } ?? ""
  }

  private static func checkMAC(_ text: String, _ field: String, _ wrong: (String, String) -> Void) {
    guard let bytes = macBytes(text) else {
      return wrong(
        "macAddress", "field `\(field).macAddress` invalid: address \(text): invalid MAC address")
    }
    if bytes.count != 6 {
      wrong(
        "macAddress",
        "field `\(field).macAddress` must be a 48 bit (6 bytes) MAC address; actual length of "
          + "`\(text)` is \(Plural.text(bytes.count, "byte"))")
    }
  }

  /// Hexadecimal pairs with colons or hyphens, or groups of four with dots, as Go reads them: 6, 8 or 20 bytes.
  static func macBytes(_ text: String) -> [UInt8]? {
    let groups: [Substring]
    let width: Int
    if text.contains(".") {
      groups = text.split(separator: ".", omittingEmptySubsequences: false)
      width = 4
    } else {
      groups = text.split(
        separator: text.contains("-") ? "-" : ":", omittingEmptySubsequences: false)
      width = 2
    }
    var bytes: [UInt8] = []
    for group in groups {
      let digits = Array(group.utf8)
      guard digits.count == width else { return nil }
      for start in stride(from: 0, to: width, by: 2) {
        let pair = digits[start..<start + 2]
        guard pair.allSatisfy({ $0 != 0x2b && $0 != 0x2d }),
          let byte = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
        else { return nil }
        bytes.append(byte)
      }
    }
    return [6, 8, 20].contains(bytes.count) ? bytes : nil
  }

  /// Lower case, with colons; nil when it is no MAC address.
  static func canonicalMAC(_ text: String) -> String? {
    macBytes(text)?.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }

  private static func checkInterface(
    _ name: String, _ field: String, _ index: Int, _ names: inout [String: Int],
    _ wrong: (String, String) -> Void
  ) {
    if name.utf8.count >= 16 {
      wrong(
        "interface",
        "field `\(field).interface` must be less than 16 bytes, but is \(Plural.text(name.utf8.count, "byte")): `\(name)`"
      )
    }
    if name.contains(where: { $0.isWhitespace || $0 == "/" }) {
      wrong("interface", "field `\(field).interface` must not contain whitespace or slashes")
    }
    if name == "eth0" {
      wrong(
        "interface",
        "field `\(field).interface` must not be set to `eth0` because it is reserved for slirp")
    }
    if let before = names[name] {
      wrong(
        "interface",
        "field `\(field).interface` value `\(name)` has already been used by field "
          + "`networks[\(before)].interface`")
    } else {
      names[name] = index
    }
  }
}
