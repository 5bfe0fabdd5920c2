// SPDX-License-Identifier: Apache-2.0
//
// A daemon of the test's own: its own Lima home, in a folder with a short name
// because the paths of unix sockets are short.

import Foundation
import Platform
import Testing

final class TestDaemon {
  let home: String
  private(set) var command: RunningCommand?
  private let arguments: [String]
  private let wrapper: [String]

  /// Starts it. `configuration` is the text of networks.yaml; `wrapper` goes before
  /// the command (to run it as somebody else).
  init(
    configuration: String? = nil, arguments: [String] = [], wrapper: [String] = [],
    start: Bool = true
  ) throws {
    home = "/tmp/lnd\(UInt32.random(in: .min ... .max))"
    self.arguments = arguments
    self.wrapper = wrapper
    try FileManager.default.createDirectory(
      atPath: home + "/_config", withIntermediateDirectories: true)
    if let configuration { try write(configuration: configuration) }
    if let first = wrapper.first {
      // A daemon serves its own user's home.
      let user = try run(first, Array(wrapper.dropFirst()) + ["id", "-u"])
      let number = user.output.trimmingCharacters(in: .whitespacesAndNewlines)
      if user.succeeded, number != "\(getuid())" { try run("chown", ["-R", number, home]) }
    }
    if start { try self.start() }
  }

  var environment: [String: String] { ["LIMA_HOME": home] }

  func write(configuration: String) throws {
    try configuration.write(
      toFile: home + "/_config/networks.yaml", atomically: true, encoding: .utf8)
  }

  func start() throws {
    let words = wrapper + [Installation.daemon, "serve"] + arguments
    let command = try RunningCommand(words[0], Array(words.dropFirst()), environment: environment)
    self.command = command
    let socket = home + "/_networks/lima-netd.sock"
    // One that was killed leaves its socket behind.
    let ready = eventually {
      if !command.process.isRunning { return true }
      guard let connection = try? UnixSocket.connect(path: socket) else { return false }
      Descriptor.close(connection)
      return true
    }
    guard ready, command.process.isRunning else {
      throw TestFailure("the daemon did not start: \(command.errors)")
    }
  }

  /// Of no process, not of all (-1), while it is not running.
  var processIdentifier: Int32 { command?.process.processIdentifier ?? .max }

  /// A command of the command line, with this daemon.
  @discardableResult
  func netd(_ arguments: String..., seconds: Double = 30) throws -> CommandResult {
    try netd(arguments, seconds: seconds)
  }

  @discardableResult
  func netd(_ arguments: [String], seconds: Double = 30) throws -> CommandResult {
    let words = wrapper + [Installation.daemon] + arguments
    return try run(
      words[0], Array(words.dropFirst()), environment: environment, seconds: seconds)
  }

  /// The same, left running.
  func begin(_ arguments: String...) throws -> RunningCommand {
    let words = wrapper + [Installation.daemon] + arguments
    return try RunningCommand(words[0], Array(words.dropFirst()), environment: environment)
  }

  /// A shell script run by a guest on `network`.
  @discardableResult
  func guest(
    _ script: String, on network: String = "default", options: [String] = [], seconds: Double = 60
  ) throws -> CommandResult {
    let words =
      wrapper + [Installation.daemon, "exec", network] + options + ["--", "sh", "-c", script]
    return try run(words[0], Array(words.dropFirst()), environment: environment, seconds: seconds)
  }

  func socket(_ kind: String, of network: String = "default") -> String {
    "\(home)/_networks/\(network)/\(network)_\(kind).sock"
  }

  /// What `status --json` says, as dictionaries and arrays.
  func status() throws -> [String: Any] {
    let result = try netd("status", "--json")
    let value = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    return value as? [String: Any] ?? [:]
  }

  func network(_ name: String) throws -> [String: Any] {
    let networks = try status()["networks"] as? [[String: Any]] ?? []
    return networks.first { $0["name"] as? String == name } ?? [:]
  }

  /// The process that serves a network, if it runs.
  func hostProcess(of name: String) throws -> Int? {
    (try network(name)["host"] as? [String: Any])?["pid"] as? Int
  }

  var log: String {
    (try? String(contentsOfFile: home + "/_networks/lima-netd.log", encoding: .utf8)) ?? ""
  }
  func log(of network: String) -> String {
    (try? String(contentsOfFile: "\(home)/_networks/\(network)/\(network).log", encoding: .utf8))
      ?? ""
  }

  func stop() {
    command?.stop()
    try? FileManager.default.removeItem(atPath: home)
  }
  deinit { stop() }
}
