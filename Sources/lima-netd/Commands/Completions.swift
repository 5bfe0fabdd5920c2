// SPDX-License-Identifier: Apache-2.0
//
// completions: prints the completion script of a shell.

import ArgumentParser

struct Completions: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the completion script for a shell.",
    discussion: """
        lima-netd completions bash \\
          > ~/.local/share/bash-completion/completions/lima-netd
        lima-netd completions zsh > "${fpath[1]}/_lima-netd"
        lima-netd completions fish > ~/.config/fish/completions/lima-netd.fish
      """)

  @Argument(help: "bash, zsh or fish.", completion: .list(["bash", "zsh", "fish"]))
  var shell: String

  func validate() throws {
    guard CompletionShell(rawValue: shell) != nil else {
      throw ValidationError("\(shell): there are completions for bash, zsh and fish.")
    }
  }

  func run() throws {
    guard let shell = CompletionShell(rawValue: shell) else { return }
    StandardOutput.print(Self.withHelp(LimaNetd.completionScript(for: shell), shell))
  }

  /// Adds the names of commands after `help`, which ArgumentParser does not complete.
  static func withHelp(_ script: String, _ shell: CompletionShell) -> String {
    let commands = LimaNetd.configuration.subcommands.filter { $0.configuration.shouldDisplay }
      .map { $0._commandName }.joined(separator: " ")
    if shell == .bash {
      let head = "_lima-netd_help() {\n"
      let words = "    COMPREPLY=($(compgen -W '\(commands)' -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      return script.replacing(head, with: head + words + "    return\n")
    }
    if shell == .zsh {
      return script.replacing("'*:subcommands:'", with: "'*:subcommands:(\(commands))'")
    }
    return script
      + "\ncomplete -c lima-netd -n '__fish_seen_subcommand_from help' -f -a '\(commands)'"
  }
}
