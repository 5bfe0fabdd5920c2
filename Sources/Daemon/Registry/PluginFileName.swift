// SPDX-License-Identifier: Apache-2.0
//
// PluginFileName: which files of a plugin directory are plugins. `[lib]lima-net-NAME.so`, `[lib]lima-dns-NAME.so`,
// or `liblima_net_my_name.so` for my-name, as Cargo calls it.

package struct PluginFileName: Sendable, Hashable {
  /// "network" or "dns", as the file name promises. What it holds is for inspection to say.
  package let kind: String
  package let name: String

  #if os(macOS)
    private static let suffixes = [".dylib", ".so"]
  #else
    private static let suffixes = [".so"]
  #endif

  package init?(_ file: String) {
    guard let suffix = Self.suffixes.first(where: { file.hasSuffix($0) }) else { return nil }
    var stem = String(file.dropLast(suffix.count))
    if stem.hasPrefix("lib") { stem.removeFirst(3) }
    if stem.hasPrefix("lima_") { stem = String(stem.map { $0 == "_" ? "-" : $0 }) }
    if stem.hasPrefix("lima-net-") {
      kind = "network"
    } else if stem.hasPrefix("lima-dns-") {
      kind = "dns"
    } else {
      return nil
    }
    name = String(stem.dropFirst("lima-net-".count))
    if name.isEmpty { return nil }
  }
}
