// SPDX-License-Identifier: Apache-2.0
//
// A program that a test starts. By posix_spawn, not by Foundation's Process: that one, when this process has many
// descriptors open, reads over the end of a buffer of readdir's (findMaximumOpenFromProcSelfFD copies 256 bytes of each
// entry of /proc/self/fd), hands its thread's signal mask on, and keeps descriptors of programs that have ended.

import LibC
import Platform

/// A child in a process group of its own, with default signal handling and none blocked. One thread at a time. Who lets
/// go of it lets it run: `kill` and `waitUntilExit` end it.
package final class TestProcess {
  package let processIdentifier: Int32
  /// Nil while it runs, as far as was looked.
  package private(set) var end: ChildProcess.ExitStatus?
  private var input: Int32

  /// - Parameters:
  ///   - path: searched for in the environment's PATH unless it has a slash.
  ///   - environment: "NAME=value" each; nil: this process's own.
  ///   - output: a descriptor for standard output; stays the caller's.
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

  /// Ends its standard input.
  package func closeInput() {
    if input >= 0 { Descriptor.close(input) }
    input = -1
  }

  package var isRunning: Bool {
    if end != nil { return false }
    do throws(SystemError) {
      end = try ChildProcess.poll(processIdentifier)
    } catch {
      // Somebody else has waited for it: how it ended is not known.
      end = .exited(-1)
    }
    return end == nil
  }

  /// Nothing once it has ended: its number may be another's.
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
