// SPDX-License-Identifier: Apache-2.0
//
// ConfigProblem: an error in networks.yaml, as data. ConfigProblem+Text.swift has the text.

package struct ConfigProblem: Error, Sendable, Hashable {
  package enum Kind: Sendable, Hashable {
    case unreadable(String)
    case yaml(YAMLError.Problem)
    case unknownKey(nearest: String?, known: [String])
    /// Each name is an alias of the next; the last equals the first.
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
    /// A key of `hosts` that is no DNS name.
    case hostName(String)
    case noGroup(String)
    /// What a name of `hosts` stands for is neither an address nor a name.
    case hostTarget(String)
    /// One of several values that is no address.
    case hostAddress(String)
    /// A value refused by the plugin's schema, or by the plugin.
    case option(String, plugin: String)
    /// A key without an effect on a network with another daemon's socket. A warning.
    case besideSocket
    /// A key that another mapping of the network has already.
    case twice(String, String)
    /// A key of a single DNS plugin beside a list of them.
    case besidePlugins(String)
    /// A key that Lima does not read any more. A warning.
    case obsoleteKey
    /// `sandbox: strict` of a network that cannot have it.
    case strict(String)
    /// Of `user`.
    case unknownUser(String)
    /// `user` of a daemon that cannot become another. Not an error.
    case userWithoutRoot(String)
  }

  package var kind: Kind
  /// Keys from the root, as "networks", "lab", "gateway".
  package var path: [String]
  /// Nil if it concerns the whole file, or a built-in network.
  package var mark: Mark?

  package init(_ kind: Kind, path: [String] = [], mark: Mark? = nil) {
    self.kind = kind
    self.path = path
    self.mark = mark
  }
}

/// A configuration that is refused, with all of its errors, in the order of the file.
package struct ConfigError: Error, Sendable, Hashable, CustomStringConvertible {
  package var file: String
  package var problems: [ConfigProblem]

  package init(file: String, problems: [ConfigProblem]) {
    self.file = file
    self.problems = problems.sorted {
      ($0.mark?.line ?? 0, $0.mark?.column ?? 0) < ($1.mark?.line ?? 0, $1.mark?.column ?? 0)
    }
  }

  /// One line per problem: FILE:LINE:COLUMN: KEY.PATH: error: remedy.
  package var description: String {
    problems.map { $0.text(file: file) }.joined(separator: "\n")
  }
}
