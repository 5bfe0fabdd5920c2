// SPDX-License-Identifier: Apache-2.0
//
// completions: what a shell needs to complete commands and options.

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
    StandardOutput.print(LimaNetd.completionScript(for: shell))
  }
}
