// SPDX-License-Identifier: Apache-2.0

extension DNSName {
  /// Its first label is "*", and there are others: it stands in for names below them
  /// (RFC 4592 2.1.1).
  package var isWildcard: Bool {
    wire.count > 3 && wire[0] == 1 && wire[1] == UInt8(ascii: "*")
  }

  /// It has a "*" that stands for nothing (RFC 4592 2.1.1), where somebody who wrote it will have
  /// meant a pattern: "a*.example", "a.*.example", "*".
  package var hasStrayAsterisk: Bool {
    let labels = isWildcard ? labels.dropFirst() : labels[...]
    return labels.contains { $0.contains(UInt8(ascii: "*")) }
  }
}
