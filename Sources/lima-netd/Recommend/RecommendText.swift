// SPDX-License-Identifier: Apache-2.0
//
// RecommendText: the text of a choice, and the table of all choices. Pure.

import Daemon

enum RecommendText {
  /// - Parameters:
  ///   - qemu: lines for a shell; empty if QEMU cannot use the network.
  ///   - state: whether it works here now; nil: unknown, for the other system.
  static func choice(_ choice: NetworkChoice, qemu: [String], state: ModeState?) -> String {
    var lines = ["\(choice.network)", ""] + Paragraph.lines(choice.why, indent: 2)
    var isSaid = false
    if case .unserved(let why, let remedy)? = state {
      lines += Paragraph.lines("Not here now: \(why)", indent: 2)
      if let remedy { lines.append("    \(remedy)") }
      // The remedy has the command already.
      isSaid = remedy.map { $0.contains("network setup") || $0.contains("sudoers") } ?? false
    }
    // What is here already asks for nothing any more.
    if case .served? = state { isSaid = true }
    if let needs = choice.needs, !isSaid { lines += Self.needs("It needs \(needs)") }
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

  /// Commands, which are between two spaces each, get lines of their own, so that they can be copied.
  private static func needs(_ text: String) -> [String] {
    text.split(separator: "  ").enumerated().flatMap { index, piece in
      index % 2 == 0 ? Paragraph.lines(String(piece), indent: 2) : ["    \(piece)"]
    }
  }

  /// - Parameter rows: the rows of one system.
  static func table(_ rows: [RecommendRow]) -> String {
    var table = Table("REACHED FROM", "VM TYPE", "NETWORK", "HERE NOW")
    var notes: [String] = []
    for row in rows {
      var here = "-"
      switch row.state {
      case nil: break
      case .served: here = "yes"
      case .unserved(let why, let remedy):
        here = "no"
        let note =
          Paragraph.lines(why, first: "\(row.choice.network): ", indent: 2)
          + (remedy.map { ["    \($0)"] } ?? [])
        let text = note.joined(separator: "\n")
        if !notes.contains(text) { notes.append(text) }
      }
      table.add(row.from, row.vmType, row.choice.network, here)
    }
    return ([table.text] + (notes.isEmpty ? [] : [""]) + notes).joined(separator: "\n")
  }
}

/// Whether a network works on this machine now.
enum ModeState: Hashable {
  case served
  /// Why it does not, and the command that changes that.
  case unserved(String, remedy: String? = nil)

  /// One sentence; "yes": it works.
  var text: String {
    switch self {
    case .served: "yes"
    case .unserved(let why, let remedy): why + (remedy.map { ": \($0)" } ?? "")
    }
  }
}

/// A row of `recommend --explain`.
struct RecommendRow: Encodable {
  var from: String
  var os: String
  var vmType: String
  var choice: NetworkChoice
  /// "yes", why not, or "-" for the other system.
  var here: String
  /// Nil for the other system.
  var state: ModeState?

  private enum CodingKeys: String, CodingKey { case from, os, vmType, choice, here }

  init(
    from: ReachedFrom, os: HostSystem, vmType: VMType, choice: NetworkChoice, state: ModeState?
  ) {
    self.from = from.rawValue
    self.os = os.rawValue
    self.vmType = vmType.rawValue
    self.choice = choice
    self.state = state
    here = state?.text ?? "-"
  }
}
