// SPDX-License-Identifier: Apache-2.0

extension DNSName {
  /// A wildcard: its first label is "*", and there are others (RFC 4592 2.1.1).
  package var isWildcard: Bool {
    wire.count > 3 && wire[0] == 1 && wire[1] == UInt8(ascii: "*")
  }

  /// It has a "*" without wildcard meaning (RFC 4592 2.1.1), where the user probably meant a pattern: "a*.example",
  /// "a.*.example", "*".
  package var hasStrayAsterisk: Bool {
    let labels = isWildcard ? labels.dropFirst() : labels[...]
    return labels.contains { $0.contains(UInt8(ascii: "*")) }
  }
}
