// SPDX-License-Identifier: Apache-2.0
//
// ContainerProcess: the process of a container that Docker or podman runs, by its name. Both are asked as the user who runs
// this: whose containers there are depends on it.

import Daemon
import Platform

#if os(Linux)

  struct ContainerProcess {
    /// Finds a program in PATH; nil: it is not installed. Tests give their own.
    var find: (String) -> String? = { ProgramPath.find($0) }

    static let tools = ["docker", "podman"]
    /// Seconds an engine may take.
    private static let patience: UInt64 = 15

    /// - Returns: the container's first process, in this pid namespace.
    /// - Throws: `CommandFailure` where no engine has a container of that name that runs.
    func identifier(of container: String) throws -> Int32 {
      var refusals: [String] = []
      var isInstalled = false
      for tool in Self.tools {
        guard let path = find(tool) else { continue }
        isInstalled = true
        // "--": a name that begins with a dash is a name. What is no container (an image) has no State.
        let result = try BoundedCommand.run(
          path, ["container", "inspect", "--format", "{{.State.Pid}}", "--", container],
          seconds: Self.patience)
        guard result.status != nil else {
          refusals.append("\(tool) did not answer within \(Self.patience) s")
          continue
        }
        let answer = result.output.trimmed
        if result.succeeded, let pid = Int32(answer) {
          guard pid > 0 else {
            throw CommandFailure(
              "The container \(container) does not run",
              remedy: "Start it:  \(tool) start \(ShellWord.quoted(container))")
          }
          return pid
        }
        refusals.append("\(tool): \(Self.refusal(result))")
      }
      guard isInstalled else {
        throw CommandFailure(
          "A container's name means something to docker or podman, and neither is in PATH",
          remedy: "Give the namespace by a process instead:  --netns PID")
      }
      throw CommandFailure(
        "No container \(container) was found\n" + refusals.joined(separator: "\n"),
        remedy:
          "Those that run are listed by `docker ps` or `podman ps`, run by the user who started them."
      )
    }

    /// The last line of what it said: that of the error.
    private static func refusal(_ result: BoundedCommand.Result) -> String {
      let line = result.errors.split(separator: "\n").last.map { Paragraph.printable(String($0)) }
      return line ?? result.status?.description ?? "no answer"
    }
  }

  extension String {
    fileprivate var trimmed: String {
      String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
  }

#endif
