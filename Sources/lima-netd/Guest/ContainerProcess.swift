// SPDX-License-Identifier: Apache-2.0
//
// ContainerProcess: the process of a container of Docker or podman, by name. Both are asked as the user who runs this
// command, since the list of containers depends on the user.

import Daemon
import Platform

#if os(Linux)

  struct ContainerProcess {
    /// Finds a program in PATH; nil if it is not installed. Replaced in tests.
    var find: (String) -> String? = { ProgramPath.find($0) }

    static let tools = ["docker", "podman"]
    /// Timeout of an engine, seconds.
    private static let patience: UInt64 = 15

    /// - Returns: the container's first process, in this pid namespace.
    /// - Throws: `CommandFailure` if no engine has a running container of that name.
    func identifier(of container: String) throws -> Int32 {
      var refusals: [String] = []
      var isInstalled = false
      for tool in Self.tools {
        guard let path = find(tool) else { continue }
        isInstalled = true
        // "--" allows names that begin with a dash. Objects that are no containers (images) have no State.
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

    /// The last line of its output, which has the error.
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
