// SPDX-License-Identifier: Apache-2.0
//
// NetworksEditor: networks.yaml in the user's editor. The editor has a copy beside the file; the file is replaced only by
// a text without mistakes, and a text with mistakes is kept for the next try.

import Daemon
import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum NetworksEditor {
  struct Outcome: Encodable {
    let file: String
    let changed: Bool

    var text: String { changed ? "networks.yaml is changed" : "Nothing is changed" }
  }

  /// - Parameter name: a network the user wants to see; it has to be there.
  /// - Returns: the outcome, and what the daemon that runs made of it.
  static func edit(
    _ editing: NetworkEditing, _ file: NetworksFile, _ name: String?
  ) throws -> (Outcome, ReloadReport?) {
    if let name { _ = try editing.network(name, in: file) }
    let draft = file.path + ".edit"
    if let slash = draft.lastIndex(of: "/"), slash > draft.startIndex {
      try Files.makeDirectory(String(draft[..<slash]), mode: 0o755)
    }
    if (try? Files.info(draft, followLinks: false))?.kind != .file {
      try Files.write(Array(file.text.text.utf8), to: draft, mode: 0o600)
    }
    let status = try run(draft)
    guard status == 0 else {
      throw CommandFailure(
        "The editor ended with status \(status): networks.yaml stays as it is",
        remedy: "What it saved is in \(draft)")
    }
    let text = String(
      decoding: try Files.read(draft, limit: YAMLLimits().bytes), as: UTF8.self)
    guard text != file.text.text || !file.exists else {
      Files.remove(draft)
      return (Outcome(file: file.path, changed: false), nil)
    }
    // While the editor was open another command may have changed it.
    var edited = try editing.lockedFile()
    guard edited.text.text == file.text.text, edited.exists == file.exists else {
      throw CommandFailure(
        "networks.yaml was changed meanwhile by another command, and stays as it is",
        remedy: "See what is new:  diff \(ShellWord.quoted(file.path)) \(ShellWord.quoted(draft))\n"
          + "Go on with your text:  lima-netd network edit")
    }
    try editing.apply(to: &edited) { $0 = NetworksText(text) }
    let report: ReloadReport?
    do {
      report = try editing.write(edited)
    } catch {
      throw CommandFailure(
        "\(error)\nnetworks.yaml stays as it is",
        remedy: "Go on where you were:  lima-netd network edit  (the text is in \(draft))")
    }
    Files.remove(draft)
    return (Outcome(file: file.path, changed: true), report)
  }

  /// $VISUAL, $EDITOR or vi, by the shell, for it may be a command with arguments.
  private static func run(_ file: String) throws -> Int32 {
    let environment = CurrentProcess.environment
    let editor = [environment["VISUAL"], environment["EDITOR"]].compactMap { $0 }
      .first { !$0.isEmpty }
    guard editor != nil || StandardInput.isTerminal else {
      throw CommandFailure(
        "There is no terminal for an editor",
        remedy: "Give what shall change, as --gateway, or name an editor that needs none by $EDITOR"
      )
    }
    let words = ["/bin/sh", "-c", "\(editor ?? "vi") \"$1\"", "sh", file]
    #if os(Linux)
      // The editor does not outlive this command.
      let child = try Foreground.spawn(
        words, signals: try ForegroundSignals([]), endSignal: SIGHUP)
    #else
      let child = try ChildProcess.spawn(words[0], Array(words.dropFirst()))
    #endif
    return try ChildProcess.wait(child).shellStatus
  }
}
