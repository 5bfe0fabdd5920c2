// SPDX-License-Identifier: Apache-2.0
//
// Runs a program with a time limit and keeps what it said.

import Foundation
import Platform
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
  let process: TestProcess
  let name: String
  private let folder: URL
  private let started = Date()

  /// Starts it. `path` is searched for in PATH unless it has a slash.
  init(_ path: String, _ arguments: [String], environment: [String: String] = [:]) throws {
    name = ([path] + arguments).joined(separator: " ")
    folder = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let output = try Self.create(folder.appending(path: "out"))
    defer { Descriptor.close(output) }
    let errors = try Self.create(folder.appending(path: "err"))
    defer { Descriptor.close(errors) }
    let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process = try TestProcess(
      path, arguments, environment: variables.map { "\($0.key)=\($0.value)" }, output: output,
      errors: errors)
  }

  private static func create(_ file: URL) throws -> Int32 {
    let fd = open(file.path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard fd >= 0 else { throw SystemError("open", .current, subject: file.path) }
    return fd
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
    let end = process.waitUntilExit()
    return CommandResult(
      command: name, status: late ? -1 : end.shellStatus, output: output, errors: errors,
      seconds: Date().timeIntervalSince(started))
  }

  /// SIGTERM, and SIGKILL three seconds later.
  func stop() {
    process.terminate()
    if !eventually(within: 3, { !process.isRunning }) { process.signal(SIGKILL) }
  }

  /// Ends its standard input.
  func closeInput() { process.closeInput() }

  deinit {
    stop()
    // One of another user's may not have been ended.
    _ = eventually(within: 3) { !process.isRunning }
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
