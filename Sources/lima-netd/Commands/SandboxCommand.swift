// SPDX-License-Identifier: Apache-2.0
//
// sandbox: the processes between `exec --sandbox` and its command (Sandbox). Internal.

import ArgumentParser
import Platform

struct SandboxCommand: ParsableCommand {
  static let name = "sandbox"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Run a command in a sandbox, for `exec --sandbox`.",
    shouldDisplay: false)

  @Option(help: "A folder that the command does not see.")
  var hide: [String] = []
  @Option(
    help:
      "This is process 1 of the sandbox; the other end of this socket closes when the enclosure ends."
  )
  var inside: Int32?
  @Argument(parsing: .postTerminator, help: "The command.")
  var command: [String] = []

  func run() throws {
    #if os(Linux)
      guard !command.isEmpty else { throw ValidationError("Which command?") }
      do {
        throw ExitCode(
          try inside.map { try Sandbox.inside(enclosure: $0, hiding: hide, command) }
            ?? Sandbox.enclose(hiding: hide, command))
      } catch let error as SystemError {
        StandardError.print("Error: no sandbox can be made here: \(error)")
        throw ExitCode(125)
      }
    #endif
  }
}
