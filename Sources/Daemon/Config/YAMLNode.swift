// SPDX-License-Identifier: Apache-2.0
//
// YAMLNode: a YAML document as a tree whose nodes have their positions in the file. Untyped: a scalar has its text and
// whether it was quoted; readers interpret it.

/// A place in a file, both numbers from 1.
package struct Mark: Sendable, Hashable, Codable {
  package var line: Int
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }
}

package struct YAMLNode: Sendable {
  package enum Content: Sendable {
    /// `plain`: written without quotes, so that `true`, `8` and `null` are not strings.
    case scalar(text: String, plain: Bool)
    case sequence([YAMLNode])
    case mapping([Member])
  }

  package struct Member: Sendable {
    package var key: String
    package var keyMark: Mark
    package var value: YAMLNode
  }

  package var content: Content
  package var mark: Mark

  /// An empty value, `~` or `null`.
  package var isNull: Bool {
    if case .scalar(let text, plain: true) = content {
      return ["", "~", "null", "Null", "NULL"].contains(text)
    }
    return false
  }

  /// Number of levels from this node down.
  package var height: Int {
    switch content {
    case .scalar: return 1
    case .sequence(let items): return 1 + (items.map(\.height).max() ?? 0)
    case .mapping(let members): return 1 + (members.map(\.value.height).max() ?? 0)
    }
  }

  /// The kind's name in messages.
  package var kindName: String {
    switch content {
    case .scalar: return isNull ? "nothing" : "a single value"
    case .sequence: return "a list"
    case .mapping: return "a mapping"
    }
  }
}
