// SPDX-License-Identifier: Apache-2.0
//
// Runs a program with a time limit and keeps what it said.

import Foundation
// `eventually` for all files of this module.
@_exported import TestSupport

/// How a program ended.
struct CommandResult: CustomStringConvertible {
  var command: String
  /// The exit status; 128 + signal when a signal ended it; -1 when the time was up.
  var status: Int32
  var output: String
  var errors: String
  var seconds: Double

  var succeeded: Bool { status == 0 }
  var description: String {
    """
    \(command)
      status \(status) after \(String(format: "%.1f", seconds)) s
      output: \(output.suffix(2000))
      errors: \(errors.suffix(4000))
    """
  }
}

/// A program under way. Its output goes to files, so that no pipe can fill up.
final class RunningCommand {
  let process = Process()
  let name: String
  private let folder: URL
  private let started = Date()
  private let input = Pipe()

  /// Starts it. `path` is searched for in PATH unless it has a slash.
  init(_ path: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    name = ([path] + arguments).joined(separator: " ")
    folder = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for file in ["out", "err"] {
      _ = FileManager.default.createFile(atPath: folder.appending(path: file).path, contents: nil)
    }
    if path.contains("/") {
      process.executableURL = URL(filePath: path)
      process.arguments = arguments
    } else {
      process.executableURL = URL(filePath: "/usr/bin/env")
      process.arguments = [path] + arguments
    }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = input
    process.standardOutput = try FileHandle(forWritingTo: folder.appending(path: "out"))
    process.standardError = try FileHandle(forWritingTo: folder.appending(path: "err"))
    try Self.withoutBlockedSignals { try process.run() }
  }

  /// A child inherits the signal mask of the thread that starts it, and the threads of Swift's executors block nearly
  /// all signals: SIGTERM would not reach what the tests start, nor what that starts.
  private static func withoutBlockedSignals(_ body: () throws -> Void) rethrows {
    var none = sigset_t()
    var before = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    try body()
  }

  var output: String { read("out") }
  var errors: String { read("err") }

  private func read(_ file: String) -> String {
    let data = (try? Data(contentsOf: folder.appending(path: file))) ?? Data()
    return String(decoding: data, as: UTF8.self)
  }

  /// Waits until it ends, at most so long; then it is asked to end, and made to.
  func wait(seconds limit: Double) -> CommandResult {
    let late = !eventually(within: limit) { !process.isRunning }
    if late { stop() }
    process.waitUntilExit()
    let signalled = process.terminationReason == .uncaughtSignal
    let status = process.terminationStatus
    return CommandResult(
      command: name, status: late ? -1 : (signalled ? 128 + status : status),
      output: output, errors: errors, seconds: Date().timeIntervalSince(started))
  }

  /// SIGTERM, and SIGKILL three seconds later.
  func stop() {
    guard process.isRunning else { return }
    process.terminate()
    if !eventually(within: 3, { !process.isRunning }) { kill(process.processIdentifier, SIGKILL) }
  }

  /// Ends its standard input.
  func closeInput() { try? input.fileHandleForWriting.close() }

  deinit {
    stop()
    try? FileManager.default.removeItem(at: folder)
  }
}

/// Runs a program to its end.
@discardableResult
func run(
  _ path: String, _ arguments: [String], environment: [String: String] = [:],
  seconds: Double = 30
) throws -> CommandResult {
  let command = try RunningCommand(path, arguments, environment: environment)
  command.closeInput()
  return command.wait(seconds: seconds)
}
