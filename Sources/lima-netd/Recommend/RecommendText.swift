// SPDX-License-Identifier: Apache-2.0
//
// RecommendText: a choice, and the table of all choices, for a terminal. Pure.

import Daemon

enum RecommendText {
  /// - Parameters:
  ///   - qemu: lines of a shell; empty where QEMU cannot have it.
  ///   - state: whether it works here now; nil: not known for that system.
  static func choice(_ choice: NetworkChoice, qemu: [String], state: ModeState?) -> String {
    var lines = ["\(choice.network)", "", "  \(choice.why)"]
    if let needs = choice.needs { lines.append("  It needs \(needs)") }
    if let state, case .unserved(let why) = state { lines.append("  Not here now: \(why)") }
    lines += ["", "  lima.yaml:"]
    lines +=
      (choice.limaYAML ?? "# nothing: it is what a VM without `networks:` has").split(
        separator: "\n"
      ).map { "    \($0)" }
    if !qemu.isEmpty {
      lines += ["", "  QEMU, each VM with a mac= of its own:"] + qemu.map { "    \($0)" }
    }
    return lines.joined(separator: "\n")
  }

  static func table(_ rows: [RecommendRow]) -> String {
    var table = Table("REACHED FROM", "HOST", "VM TYPE", "NETWORK", "HERE NOW")
    for row in rows {
      table.add(row.from, row.os, row.vmType, row.choice.network, row.here)
    }
    return table.text
  }
}

/// Whether a network works on this machine now.
enum ModeState: Hashable {
  case served
  case unserved(String)
}

/// A row of `recommend --explain`.
struct RecommendRow: Codable {
  var from: String
  var os: String
  var vmType: String
  var choice: NetworkChoice
  /// "yes", why not, or "-" for the other system.
  var here: String
}
