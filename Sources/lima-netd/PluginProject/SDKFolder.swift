// SPDX-License-Identifier: Apache-2.0
//
// SDKFolder: the location of the SDK: PREFIX/share/lima-netd/sdk when installed, or SDK in the source tree above a build.

import Platform

struct SDKFolder {
  let path: String

  /// - Parameter executable: lima-netd's absolute path, without symbolic links.
  /// - Returns: nil if there is none.
  init?(executable: String, exists: (String) -> Bool = { Files.exists($0) }) {
    var folders: [String] = []
    var folder = Self.parent(executable)
    if !folder.isEmpty { folders.append(Self.parent(folder) + "/share/lima-netd/sdk") }
    // .build/MACHINE/CONFIGURATION/lima-netd
    for _ in 0..<4 where !folder.isEmpty {
      folder = Self.parent(folder)
      folders.append(folder + "/SDK")
    }
    guard let found = folders.first(where: { Self.isSDK($0, exists) }) else { return nil }
    path = found
  }

  /// A given folder; nil if it is no SDK.
  init?(given path: String, exists: (String) -> Bool = { Files.exists($0) }) {
    guard Self.isSDK(path, exists) else { return nil }
    self.path = path
  }

  /// The folders of its examples: "4-blocklist".
  var examples: [String] {
    ((try? Files.list(path + "/examples")) ?? []).filter {
      (try? Files.info(path + "/examples/" + $0))?.kind == .directory
    }.sorted()
  }

  /// The folder of an example, by its name or by what is behind its number; nil: there is none.
  func example(_ word: String) -> String? {
    examples.first { $0 == word || $0.drop { $0.isNumber }.dropFirst() == word[...] }
  }

  private static func isSDK(_ path: String, _ exists: (String) -> Bool) -> Bool {
    exists(path + "/templates/common") && exists(path + "/PluginAPI/include/lnd_plugin.h")
  }

  private static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[..<slash])
  }
}
