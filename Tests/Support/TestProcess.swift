// SPDX-License-Identifier: Apache-2.0
//
// A program started by a test, with posix_spawn. Foundation's Process is not used: if this process has many descriptors
// open, it reads past the end of a readdir buffer (findMaximumOpenFromProcSelfFD copies 256 bytes of each entry of
// /proc/self/fd); it also passes on its thread's signal mask, and keeps descriptors of programs that have ended.

import LibC
import Platform

/// A child in its own process group, with default signal handling and no blocked signals. One thread at a time. Releasing
/// the object does not end the child; `kill` and `waitUntilExit` do.
package final class TestProcess {
  package let processIdentifier: Int32
  /// Nil while it runs, as of the last check.
  package private(set) var end: ChildProcess.ExitStatus?
  private var input: Int32

  /// - Parameters:
  ///   - path: searched in the environment's PATH unless it contains a slash.
  ///   - environment: "NAME=value" strings; nil: this process's environment.
  ///   - output: a descriptor for standard output; owned by the caller.
  ///   - errors: the same for standard error.
  package init(
    _ path: String, _ arguments: [String], environment: [String]? = nil, output: Int32,
    errors: Int32
  ) throws(SystemError) {
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.read) }
    let isPath = path.contains("/")
    do throws(SystemError) {
      processIdentifier = try ChildProcess.spawn(
        isPath ? path : "/usr/bin/env", isPath ? arguments : [path] + arguments,
        environment: environment,
        fds: [(from: pipe.read, to: 0), (from: output, to: 1), (from: errors, to: 2)],
        newGroup: true)
    } catch {
      Descriptor.close(pipe.write)
      throw error
    }
    input = pipe.write
  }

  deinit { closeInput() }

  /// Closes its standard input.
  package func closeInput() {
    if input >= 0 { Descriptor.close(input) }
    input = -1
  }

  package var isRunning: Bool {
    if end != nil { return false }
    do throws(SystemError) {
      end = try ChildProcess.poll(processIdentifier)
    } catch {
      // Another thread has reaped it: its status is unknown.
      end = .exited(-1)
    }
    return end == nil
  }

  /// No effect once it has ended, since its process id may be reused.
  package func signal(_ signal: Int32) {
    if isRunning { ChildProcess.kill(processIdentifier, signal) }
  }

  package func terminate() { signal(SIGTERM) }

  /// Blocks.
  @discardableResult
  package func waitUntilExit() -> ChildProcess.ExitStatus {
    if let end { return end }
    let status = (try? ChildProcess.wait(processIdentifier)) ?? .exited(-1)
    end = status
    return status
  }
}
