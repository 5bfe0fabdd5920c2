// SPDX-License-Identifier: Apache-2.0
//
// ManualPage: man pages of section 1, generated from the descriptions of commands, in the macros of man(7). Pure.

struct ManualPage: Hashable {
  /// "lima-netd-network-create.1"
  var file: String
  var text: String

  /// The pages of `command` and of its sub-commands.
  /// - Parameter tail: sections at the end of the first page, as troff.
  static func pages(of command: CommandDescription, version: String, tail: String) -> [ManualPage] {
    pages(of: command, above: [], version: version, tail: tail)
  }

  private static func pages(
    of command: CommandDescription, above: [String], version: String, tail: String
  ) -> [ManualPage] {
    let path = above + [command.commandName]
    let below = (command.subcommands ?? []).filter {
      $0.shouldDisplay != false && $0.commandName != "help"
    }
    let page = ManualPage(
      file: path.joined(separator: "-") + ".1",
      text: text(of: command, path, below, version: version, tail: above.isEmpty ? tail : ""))
    return [page] + below.flatMap { pages(of: $0, above: path, version: version, tail: tail) }
  }

  private static func text(
    of command: CommandDescription, _ path: [String], _ below: [CommandDescription],
    version: String, tail: String
  ) -> String {
    let name = path.joined(separator: "-")
    let arguments = (command.arguments ?? []).filter(\.shouldDisplay)
    var lines = [
      ".TH \(Troff.text(name.uppercased())) 1 \"\" \"lima-netd \(Troff.text(version))\" \"lima-netd\"",
      ".SH NAME",
      "\(Troff.text(name)) \\- \(Troff.text(sentence(command.abstract)))",
      ".SH SYNOPSIS",
    ]
    lines += synopsis(path, arguments, below, defaultSubcommand: command.defaultSubcommand)
    if let discussion = command.discussion, !discussion.isEmpty {
      lines += [".SH DESCRIPTION"] + Troff.prose(discussion)
    }
    if !below.isEmpty {
      lines.append(".SH COMMANDS")
      for sub in below {
        let aliases = (sub.aliases ?? []).map { ", \($0)" }.joined()
        lines += [
          ".TP", "\\fB\(Troff.text(sub.commandName))\\fR\(Troff.text(aliases))",
          Troff.line((sub.abstract ?? "") + page(path + [sub.commandName])),
        ]
      }
    }
    let positional = arguments.filter { $0.kind == "positional" }
    if !positional.isEmpty { lines += [".SH ARGUMENTS"] + positional.flatMap(entry) }
    let options = arguments.filter { $0.kind != "positional" }
    if !options.isEmpty { lines += [".SH OPTIONS"] + options.flatMap(entry) }
    if !tail.isEmpty { lines.append(tail) }
    lines += [".SH SEE ALSO", seeAlso(path, below)]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func page(_ path: [String]) -> String { " See \(path.joined(separator: "-"))(1)." }

  /// Without a full stop, as in the section NAME.
  private static func sentence(_ text: String?) -> String {
    let text = text ?? ""
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }

  private static func synopsis(
    _ path: [String], _ arguments: [ArgumentDescription], _ below: [CommandDescription],
    defaultSubcommand: String?
  ) -> [String] {
    let command = "\\fB" + path.map(Troff.text).joined(separator: " ") + "\\fR"
    if !below.isEmpty {
      let isOptional = defaultSubcommand != nil
      return [
        "\(command) \(isOptional ? "[" : "")\\fIcommand\\fR\(isOptional ? "]" : "") [\\fIargument\\fR ...]"
      ]
    }
    let order =
      arguments.filter { $0.kind != "positional" && !isCommon($0) }
      + arguments.filter { $0.kind == "positional" }
    let words = order.map { argument -> String in
      let value = "\\fI\(Troff.text(argument.valueName ?? "value"))\\fR"
      var word: String
      switch argument.kind {
      case "positional": word = value
      case "option": word = "\\fB\(Troff.text(argument.preferredName?.text ?? ""))\\fR \(value)"
      default: word = "\\fB\(Troff.text(argument.preferredName?.text ?? ""))\\fR"
      }
      if argument.isRepeating { word += " ..." }
      if argument.parsingStrategy == "postTerminator" { word = "\\fB\\-\\-\\fR \(word)" }
      return argument.isOptional || argument.defaultValue != nil ? "[\(word)]" : word
    }
    return [([command] + words).joined(separator: "\n")]
  }

  private static func isCommon(_ argument: ArgumentDescription) -> Bool {
    ["--version", "--help"].contains(argument.preferredName?.text)
  }

  private static func entry(_ argument: ArgumentDescription) -> [String] {
    let value = argument.valueName.map { "\\fI\(Troff.text($0))\\fR" } ?? ""
    let head: String
    if argument.kind == "positional" {
      head = value
    } else {
      let names = (argument.names ?? []).sorted { $0.text.count < $1.text.count }
        .map { "\\fB\(Troff.text($0.text))\\fR" }.joined(separator: ", ")
      head = argument.kind == "option" ? "\(names) \(value)" : names
    }
    var text = argument.abstract ?? ""
    let isSaid = text.contains("(default")
    if let standard = argument.defaultValue, !standard.isEmpty, argument.kind != "flag", !isSaid {
      text += " (default: \(standard))"
    }
    var lines = [".TP", head, Troff.line(text)]
    if let discussion = argument.discussion, !discussion.isEmpty {
      lines += [".IP"] + Troff.prose(discussion, inset: true)
    }
    return lines
  }

  private static func seeAlso(_ path: [String], _ below: [CommandDescription]) -> String {
    var pages: [String] = []
    if path.count > 1 {
      pages += (1..<path.count).map { path.prefix($0).joined(separator: "-") + "(1)" }
    }
    pages += below.map { (path + [$0.commandName]).joined(separator: "-") + "(1)" }
    pages += ["lima-netd.yaml(5)"]
    if path.count == 1 {
      pages += ["slirp", "userv2", "socketvmnet", "hostdns"].map { "lima-netd-\($0)(7)" }
    }
    return pages.map { page in
      let open = page.lastIndex(of: "(") ?? page.endIndex
      return "\\fB\(Troff.text(String(page[..<open])))\\fR\(page[open...])"
    }.joined(separator: ",\n")
  }
}

/// Escapes text for troff.
enum Troff {
  /// Text within a line.
  static func text(_ text: String) -> String {
    text.replacing("\\", with: "\\e").replacing("-", with: "\\-").replacing("'", with: "\\(aq")
      .replacing("^", with: "\\(ha").replacing("~", with: "\\(ti").replacing("`", with: "\\(ga")
      .replacing("\"", with: "\\(dq")
  }

  /// A whole line: "." and "'" at its beginning are escaped. Text in `` ` `` is bold.
  static func line(_ source: String) -> String {
    let pieces = source.split(separator: "`", omittingEmptySubsequences: false)
    // An unpaired one is literal.
    guard pieces.count % 2 == 1 else { return protected(text(source)) }
    let line = pieces.enumerated().map { index, piece in
      index % 2 == 1 ? "\\fB\(text(String(piece)))\\fR" : text(String(piece))
    }.joined()
    return protected(line)
  }

  private static func protected(_ line: String) -> String {
    line.hasPrefix(".") || line.hasPrefix("'") ? "\\&" + line : line
  }

  /// Paragraphs are filled; indented lines are kept.
  static func prose(_ source: String, inset: Bool = false) -> [String] {
    var lines: [String] = []
    var isLiteral = false
    var begins = true
    for line in source.split(separator: "\n", omittingEmptySubsequences: false) {
      let wantsLiteral = line.hasPrefix("  ") || (isLiteral && line.isEmpty)
      if wantsLiteral, !isLiteral {
        if !begins { lines.append(inset ? ".IP" : ".PP") }
        lines += [".RS 4", ".nf"]
      }
      if !wantsLiteral, isLiteral { lines += [".fi", ".RE"] }
      if wantsLiteral {
        lines.append(line.isEmpty ? "" : protected(text(String(line.dropFirst(2)))))
      } else if line.isEmpty {
        if !begins { lines.append(inset ? ".IP" : ".PP") }
      } else {
        if isLiteral { lines.append(inset ? ".IP" : ".PP") }
        lines.append(self.line(String(line)))
      }
      isLiteral = wantsLiteral
      begins = false
    }
    if isLiteral { lines += [".fi", ".RE"] }
    return tidied(lines)
  }

  /// Removes empty literal lines at the ends, and empty paragraphs.
  private static func tidied(_ lines: [String]) -> [String] {
    var result: [String] = []
    for line in lines {
      if line == ".fi" { while result.last == "" { result.removeLast() } }
      if line == ".PP" || line == ".IP" {
        if result.last == ".PP" || result.last == ".IP" { result.removeLast() }
      }
      result.append(line)
    }
    while result.last == ".PP" || result.last == ".IP" { result.removeLast() }
    return result
  }
}
