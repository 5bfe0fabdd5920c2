// SPDX-License-Identifier: Apache-2.0
//
// LimaYAML: the networking part of a lima.yaml, as written. Other parts are ignored. Values.

package struct LimaYAML: Sendable {
  /// An item of `networks`.
  package struct NetworkEntry: Sendable, Hashable {
    /// Name of a network in networks.yaml.
    package var lima = ""
    package var socket = ""
    package var vzNAT: Bool?
    package var macAddress = ""
    package var interface = ""
    package var metric: UInt32?
    package var source = Source()
  }

  /// An item of `portForwards` with its position.
  package struct Forward: Sendable, Hashable {
    package var entry: PortForwardEntry
    package var source = Source()
  }

  /// Position in a file, for messages.
  package struct Source: Sendable, Hashable {
    package var file = ""
    package var marks: [String: Mark] = [:]

    /// The mark of a key, or of the item.
    func mark(_ key: String) -> Mark? { marks[key] ?? marks[""] }
  }

  package var networks: [NetworkEntry] = []
  package var portForwards: [Forward] = []
  package var vmType: String?
  package var arch: String?
  package var plain: Bool?
  package var sshLocalPort: Int?
  package var resolverEnabled: Bool?
  package var resolverIPv6: Bool?
  /// From names in lower case without a final dot to an address or another name.
  package var resolverHosts: [String: String] = [:]
  package var dns: [String] = []
  package var param: [String: String] = [:]
  /// The position of `dns` and `ssh.localPort`.
  package var source = Source()
  /// Keys without an effect that may be mistakes.
  package var warnings: [LimaYAMLProblem] = []

  package init() {}

  /// Lima's merge of default.yaml, lima.yaml and override.yaml: lists of networks are concatenated in that order, of
  /// forwards in reverse; a network with the `interface` of an earlier one changes that one; of single values the last is
  /// used.
  package static func merged(default low: LimaYAML, instance: LimaYAML, override high: LimaYAML)
    -> LimaYAML
  {
    var result = LimaYAML()
    for layer in [low, instance, high] {
      for entry in layer.networks { result.merge(entry) }
      result.warnings += layer.warnings
      result.vmType = layer.vmType ?? result.vmType
      result.arch = layer.arch ?? result.arch
      result.plain = layer.plain ?? result.plain
      result.resolverEnabled = layer.resolverEnabled ?? result.resolverEnabled
      result.resolverIPv6 = layer.resolverIPv6 ?? result.resolverIPv6
      result.resolverHosts.merge(layer.resolverHosts) { $1 }
      result.param.merge(layer.param) { $1 }
      if layer.sshLocalPort ?? 0 != 0 {
        result.sshLocalPort = layer.sshLocalPort
        result.source.marks["ssh.localPort"] = layer.source.marks["ssh.localPort"]
        result.source.file = layer.source.file
      }
      if !layer.dns.isEmpty {
        result.dns = layer.dns
        result.source.marks["dns"] = layer.source.marks["dns"]
        result.source.file = layer.source.file
      }
    }
    if result.source.file.isEmpty { result.source.file = instance.source.file }
    result.portForwards = high.portForwards + instance.portForwards + low.portForwards
    return result
  }

  private mutating func merge(_ entry: NetworkEntry) {
    guard !entry.interface.isEmpty,
      let index = networks.firstIndex(where: { $0.interface == entry.interface })
    else { return networks.append(entry) }
    // A network and a socket replace each other; if both are given the network is used.
    if !entry.lima.isEmpty {
      networks[index].lima = entry.lima
      networks[index].socket = ""
    } else if !entry.socket.isEmpty {
      networks[index].socket = entry.socket
      networks[index].lima = ""
    }
    if !entry.macAddress.isEmpty { networks[index].macAddress = entry.macAddress }
    networks[index].metric = entry.metric ?? networks[index].metric
  }
}

/// An error or warning about a lima.yaml.
package struct LimaYAMLProblem: Sendable, Hashable, CustomStringConvertible {
  package var file: String
  package var mark: Mark?
  package var text: String

  /// "FILE:LINE:COLUMN: message"
  package var description: String {
    "\(file)\(mark.map { ":\($0.line):\($0.column)" } ?? ""): \(text)"
  }
}

/// An invalid lima.yaml, with all of its errors.
package struct LimaYAMLError: Error, Sendable, Hashable, CustomStringConvertible {
  package var problems: [LimaYAMLProblem]

  package var description: String { problems.map(\.description).joined(separator: "\n") }
}
