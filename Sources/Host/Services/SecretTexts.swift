// SPDX-License-Identifier: Apache-2.0
//
// SecretTexts: values of options that a schema calls writeOnly, and texts without them: a plugin may quote its own options
// in a log line, a reason or its status. Values of fewer than four characters are not looked for: they stand in half of all
// words. Any thread.

import JSONCoding
import Synchronization

package final class SecretTexts: Sendable {
  package static let mask = "(hidden)"
  private static let shortest = 4
  /// The longest first: one may be a part of another.
  private let texts = Mutex<[String]>([])

  package init() {}

  /// More of them; those of before stay, for who was given them may still say them.
  package func add(_ more: [String]?) {
    let new = (more ?? []).filter { $0.utf8.count >= Self.shortest }
    guard !new.isEmpty else { return }
    texts.withLock { texts in
      texts = Set(texts + new).sorted { ($1.utf8.count, $1) < ($0.utf8.count, $0) }
    }
  }

  package func masked(_ text: String) -> String {
    let texts = texts.withLock { $0 }
    guard !texts.isEmpty else { return text }
    var bytes = Array(text.utf8)
    var isChanged = false
    for secret in texts {
      guard let masked = Self.replace(Array(secret.utf8), in: bytes) else { continue }
      bytes = masked
      isChanged = true
    }
    return isChanged ? String(decoding: bytes, as: UTF8.self) : text
  }

  /// Nil: it is not there.
  private static func replace(_ secret: [UInt8], in bytes: [UInt8]) -> [UInt8]? {
    guard bytes.count >= secret.count else { return nil }
    var result: [UInt8] = []
    var (at, kept) = (0, 0)
    while at + secret.count <= bytes.count {
      guard bytes[at] == secret[0], bytes[at..<at + secret.count].elementsEqual(secret) else {
        at += 1
        continue
      }
      result += bytes[kept..<at]
      result += mask.utf8
      at += secret.count
      kept = at
    }
    guard kept > 0 else { return nil }
    return result + bytes[kept...]
  }

  /// In names and texts, however deep.
  package func masked(_ value: JSONValue) -> JSONValue {
    guard texts.withLock({ !$0.isEmpty }) else { return value }
    switch value {
    case .string(let text): return .string(masked(text))
    case .array(let items): return .array(items.map { masked($0) })
    case .object(let members):
      var result = JSONObject()
      for member in members.members { result[masked(member.name)] = masked(member.value) }
      return .object(result)
    default: return value
    }
  }
}
