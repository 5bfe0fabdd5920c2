// SPDX-License-Identifier: Apache-2.0
//
// ConfigProblem: what is wrong with networks.yaml, as data. ConfigProblem+Text.swift has the sentences.

package struct ConfigProblem: Error, Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    case unreadable(String)
    case yaml(YAMLError.Problem)
    case unknownKey(nearest: String?, known: [String])
    /// Each leads to the next one; the last is the first.
    case aliasCircle([String])
    case wrongType(expected: String, found: String)
    case missingMode
    case identifier(String)
    case reservedName(String)
    case interfaceName(String)
    case relativePath(String)
    case notIPv4(String)
    case notUnicast(IPv4Address)
    case netmaskNotContiguous(IPv4Address)
    case netmaskSize(Int)
    case needsGateway
    case gatewayIsNetwork(IPv4Subnet)
    case gatewayIsBroadcast(IPv4Subnet)
    case dhcpEndOutside(IPv4Subnet)
    case dhcpEndBeforeGateway(gateway: IPv4Address)
    case overlap(IPv4Subnet, with: String, IPv4Subnet, at: Mark?)
    case overlap6(IPv6Network, with: String, at: Mark?)
    /// A key of `hosts` that no DNS name can be.
    case hostName(String)
    case noGroup(String)
    /// What a name of `hosts` stands for is neither an address nor a name.
    case hostTarget(String)
    /// One of several that is no address.
    case hostAddress(String)
    /// A value the plugin's schema, or the plugin itself, does not take.
    case option(String, plugin: String)
    /// A network with another daemon's socket has no use for this key. Not an error.
    case besideSocket
    /// A key that stands in another mapping of the network already.
    case twice(String, String)
    /// A key of one DNS plugin beside a list of them.
    case besidePlugins(String)
    /// Lima itself no longer reads this key. Not an error.
    case obsoleteKey
    /// `sandbox: strict` of a network that cannot have it.
    case strict(String)
    /// Of `user`.
    case unknownUser(String)
    /// `user` of a daemon that cannot become another. Not an error.
    case userWithoutRoot(String)
  }

  package var kind: Kind
  /// Keys from the top, as "networks", "lab", "gateway".
  package var path: [String]
  /// Nil: it concerns the whole file, or something no file says (a built-in network).
  package var mark: Mark?

  package init(_ kind: Kind, path: [String] = [], mark: Mark? = nil) {
    self.kind = kind
    self.path = path
    self.mark = mark
  }
}

/// A configuration that is refused, with everything that is wrong with it, in the order of the file.
package struct ConfigError: Error, Sendable, Hashable, CustomStringConvertible {
  package var file: String
  package var problems: [ConfigProblem]

  package init(file: String, problems: [ConfigProblem]) {
    self.file = file
    self.problems = problems.sorted {
      ($0.mark?.line ?? 0, $0.mark?.column ?? 0) < ($1.mark?.line ?? 0, $1.mark?.column ?? 0)
    }
  }

  /// One line for each problem: FILE:LINE:COLUMN: KEY.PATH: what is wrong: what to do.
  package var description: String {
    problems.map { $0.text(file: file) }.joined(separator: "\n")
  }
}
