// SPDX-License-Identifier: Apache-2.0
//
// PluginFileName: which files of a plugin directory are plugins. `[lib]lima-net-NAME.so`, `[lib]lima-dns-NAME.so`.

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
    var stem = file.dropLast(suffix.count)
    if stem.hasPrefix("lib") { stem = stem.dropFirst(3) }
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
