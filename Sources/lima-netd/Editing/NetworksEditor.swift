// SPDX-License-Identifier: Apache-2.0
//
// NetworksEditor: networks.yaml in the user's editor. The editor gets a copy next to the file; the file is replaced only by
// a valid text, and an invalid one is kept for the next attempt.

import LibC
import Daemon
import Platform

enum NetworksEditor {
  struct Outcome: Encodable {
    let file: String
    let changed: Bool

    var text: String { changed ? "networks.yaml is changed" : "Nothing is changed" }
  }

  /// - Parameter name: a network to be shown; it must exist.
  /// - Returns: the outcome, and the running daemon's report.
  static func edit(
    _ editing: NetworkEditing, _ file: NetworksFile, _ name: String?
  ) throws -> (Outcome, ReloadReport?) {
    if let name { _ = try editing.network(name, in: file) }
    let draft = try EditorDraft(of: file)
    try draft.prepare()
    let status: Int32
    do { status = try run(draft.path) } catch {
      try draft.removeUnchanged()
      throw error
    }
    guard status == 0 else {
      let isKept = try !draft.removeUnchanged()
      throw CommandFailure(
        "The editor ended with status \(status): networks.yaml stays as it is",
        remedy: isKept
          ? "Go on with what it saved, in \(draft.path):  lima-netd network edit" : nil)
    }
    let text = try draft.text()
    guard text != file.text.text || !file.exists else {
      draft.remove()
      return (Outcome(file: file.path, changed: false), nil)
    }
    // Another command may have changed it while the editor was open.
    var edited = try editing.lockedFile()
    guard edited.text.text == file.text.text, edited.exists == file.exists else {
      let kept = try draft.setAside()
      throw CommandFailure(
        "networks.yaml was changed meanwhile by another command, and stays as it is; your text is in \(kept)",
        remedy: "See what is new:  diff \(ShellWord.quoted(file.path)) \(ShellWord.quoted(kept))\n"
          + "Change the file as it is now:  lima-netd network edit")
    }
    try editing.apply(to: &edited) { $0 = NetworksText(text) }
    let report: ReloadReport?
    do {
      report = try editing.write(edited)
    } catch {
      throw CommandFailure(
        "\(error)\nnetworks.yaml stays as it is",
        remedy: "Go on where you were:  lima-netd network edit  (the text is in \(draft.path))")
    }
    draft.remove()
    return (Outcome(file: file.path, changed: true), report)
  }

  /// $VISUAL, $EDITOR or vi, run by a shell, since it may have arguments.
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
      // The editor ends with this command.
      let child = try Foreground.spawn(
        words, signals: try ForegroundSignals([]), endSignal: SIGHUP)
    #else
      let child = try ChildProcess.spawn(words[0], Array(words.dropFirst()))
    #endif
    return try ChildProcess.wait(child).shellStatus
  }
}
