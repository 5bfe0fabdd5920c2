// SPDX-License-Identifier: Apache-2.0
//
// Names of plugins and of their files: [lib]lima-net-NAME.so and [lib]lima-dns-NAME.so (SwiftPM adds the lib), or
// liblima_net_my_name.so for my-name, as Cargo names it.

import PluginAPI

package enum PluginName {
  /// [a-z][a-z0-9-]{0,31}
  package static func isValid(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard (1...32).contains(bytes.count), (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(bytes[0])
    else { return false }
    return bytes.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
    }
  }

  /// The kind and name in a file's name; nil when it has another form.
  package static func parse(file path: String) -> (kind: String, name: String)? {
    var rest = path.split(separator: "/").last.map { String($0) } ?? ""
    if rest.hasPrefix("lib") { rest.removeFirst(3) }
    guard rest.hasSuffix(".so") else { return nil }
    rest.removeLast(3)
    if rest.hasPrefix("lima_") { rest = String(rest.map { $0 == "_" ? "-" : $0 }) }
    for (prefix, kind) in [("lima-net-", LND_KIND_NETWORK), ("lima-dns-", LND_KIND_DNS)]
    where rest.hasPrefix(prefix) {
      let name = String(rest.dropFirst(prefix.count))
      return isValid(name) ? (kind, name) : nil
    }
    return nil
  }
}
