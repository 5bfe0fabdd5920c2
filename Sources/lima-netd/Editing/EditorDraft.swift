// SPDX-License-Identifier: Apache-2.0
//
// EditorDraft: the copy of networks.yaml for an editor, and next to it the text that it was copied from. The copy of an
// earlier editor is used again only if networks.yaml has not changed since.

import Daemon
import Platform

struct EditorDraft {
  /// networks.yaml.edit
  let path: String
  private let base: String
  private let original: String
  private static let most = 100

  /// Has no side effects.
  init(of file: NetworksFile) throws {
    path = file.path + ".edit"
    base = file.path + ".edit-base"
    original = file.text.text
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
      try Files.makeDirectory(String(path[..<slash]), mode: 0o755)
    }
  }

  /// Creates the copy, or uses the existing one.
  func prepare() throws {
    if let left = Self.read(path), let base = Self.read(base), left != base {
      if base == original {
        return StandardError.print("Note: this goes on with the text of an earlier `network edit`")
      }
      let kept = try setAside()
      StandardError.print(
        "Note: networks.yaml has changed since the last `network edit`, whose text is in \(kept); this one begins with "
          + "networks.yaml as it is")
    } else if let left = Self.read(path), Self.read(base) == nil, left != original {
      // The text that it was copied from is unknown.
      let kept = try setAside()
      StandardError.print(
        "Note: the text of an earlier `network edit` is in \(kept); this one begins with networks.yaml as it is"
      )
    }
    try Files.write(Array(original.utf8), to: base, mode: 0o600)
    try Files.write(Array(original.utf8), to: path, mode: 0o600)
  }

  /// The text that the editor has saved.
  func text() throws -> String {
    String(decoding: try Files.read(path, limit: YAMLLimits().bytes), as: UTF8.self)
  }

  /// - Returns: whether it was removed, since it equals networks.yaml.
  @discardableResult
  func removeUnchanged() throws -> Bool {
    guard Self.read(path) ?? original == original else { return false }
    remove()
    return true
  }

  func remove() {
    Files.remove(path)
    Files.remove(base)
  }

  /// Renames the copy, so that later editors do not use it.
  /// - Returns: its new path.
  func setAside() throws -> String {
    var kept = path + ".old"
    for number in 2...Self.most where Files.exists(kept) { kept = "\(path).old\(number)" }
    try Files.rename(path, to: kept)
    Files.remove(base)
    return kept
  }

  private static func read(_ path: String) -> String? {
    guard (try? Files.info(path, followLinks: false))?.kind == .file,
      let bytes = try? Files.read(path, limit: YAMLLimits().bytes)
    else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
