// SPDX-License-Identifier: Apache-2.0
//
// Fixture: a supervisor with the fake network-host in a Lima home of its own, driven turn by turn on the test's thread.

import HostProtocol
import Logging
import Platform
import TestSupport
import Testing

@testable import Daemon

final class Fixture {
  let root: String
  let home: LimaHome
  let loop: EventLoop
  let supervisor: Supervisor
  let log = LinesHandler()

  /// Directory with the fake plugin `fake` of mode `fake`, and a DNS plugin `hostdns`.
  var plugins: String { root + "/plugins" }

  static let fakeHost: String = {
    let own = (try? ChildProcess.ownPath()) ?? ""
    return String(own[..<(own.lastIndex(of: "/") ?? own.endIndex)]) + "/fake-network-host"
  }()

  /// - Parameter config: the text of networks.yaml; nil for none.
  init(config: String? = Fixture.oneNetwork(), grace: UInt64 = 10_000_000_000, start: Bool = true)
    throws
  {
    Signals.ignoreBrokenPipes()
    root = "/tmp/lnd-test-\(CurrentProcess.id)-\(UInt32.random(in: 0 ... .max))"
    home = LimaHome(path: root + "/home")
    let directory = root + "/plugins"
    try Files.makeDirectory(directory, mode: 0o755)
    try Self.write(
      directory + "/lima-net-fake.so",
      Self.inspection(kind: "network", name: "fake", modes: ["fake"], schema: #"{"type":"object"}"#)
    )
    try Self.write(
      directory + "/lima-dns-hostdns.so",
      Self.inspection(kind: "dns", name: "hostdns", modes: [], schema: nil))
    if let config { try Self.write(home.configFile, config) }
    let handler = log
    loop = try EventLoop()
    supervisor = Supervisor(
      options: ServeOptions(
        home: home, pluginDirectories: [directory], gracePeriod: grace, version: "test",
        installation: Installation(hostExecutable: Self.fakeHost, pluginDirectory: directory)),
      loop: loop, log: Logger(label: "test") { _ in handler })
    if start { try supervisor.start() }
  }

  deinit {
    supervisor.shutdown("the test is over")
    let deadline = MonotonicClock.now() + 10_000_000_000
    while Files.exists(home.pidFile), MonotonicClock.now() < deadline {
      loop.turn(limit: 20_000_000)
    }
    _ = try? ChildProcess.wait(ChildProcess.spawn("/bin/rm", ["-rf", root]))
  }

  static func oneNetwork(_ options: String = "") -> String {
    "networks:\n  lab:\n    mode: fake\n" + (options.isEmpty ? "" : "    options: {\(options)}\n")
  }

  static func inspection(
    kind: String, name: String, modes: [String], schema: String?, version: String = "1.2.3",
    isolated: Bool = true, needsTap: Bool = false
  ) -> String {
    let plugin = Inspection.Plugin(
      kind: kind, name: name, summary: "a fake", modes: modes, isolated: isolated, schema: schema,
      extensions: [], needsTap: needsTap)
    let module = Inspection.Module(
      id: "test.\(name)", version: version, license: "Apache-2.0", url: "", abiMinor: 0)
    let inspection = Inspection(file: "@FILE@", sha256: "00ff", module: module, plugins: [plugin])
    return (try? JSONText.string(inspection)) ?? ""
  }

  static func write(_ path: String, _ text: String) throws {
    if let slash = path.lastIndex(of: "/") {
      try Files.makeDirectory(String(path[..<slash]), mode: 0o755)
    }
    Files.remove(path)
    let fd = try Files.openForAppending(path, mode: 0o644)
    defer { Descriptor.close(fd) }
    try Files.writeAll(fd, Array(text.utf8))
  }

  // MARK: Driving

  /// Has the configuration read again, and waits for what comes of it.
  func reload() {
    let before = supervisor.configuration.rereadings
    supervisor.reload()
    until { supervisor.configuration.rereadings > before }
  }

  /// Turns the loop until `condition` holds; false after `seconds`.
  @discardableResult
  func until(_ seconds: Double = patience, _ condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.now() + UInt64(seconds * 1e9)
    while !condition() {
      guard MonotonicClock.now() < deadline else { return false }
      loop.turn(limit: 5_000_000)
    }
    return true
  }

  /// Turns the loop for a while.
  func pass(_ seconds: Double) {
    until(seconds) { false }
  }

  func network(_ name: String = "lab") throws -> Network { try #require(supervisor.networks[name]) }

  /// What the network's processes were asked, in order.
  func requests(_ name: String = "lab") -> [String] {
    let bytes =
      (try? Files.read(home.networkDirectory(name) + "/requests.log", limit: 1 << 20)) ?? []
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// A connection to a network's QEMU socket.
  func connect(_ name: String = "lab") throws -> Int32 {
    try UnixSocket.connect(path: home.networkSockets(name).qemu)
  }

  /// What a request comes to: a task on the supervisor's loop, which this thread turns meanwhile.
  func result<Value>(
    _ ask: nonisolated(nonsending) @escaping () async throws -> Value
  ) throws -> Result<Value, ErrorReport> {
    try value {
      do { return .success(try await ask()) } catch {
        return .failure(error as? ErrorReport ?? ErrorReport(.internal, "not a report: \(error)"))
      }
    }
  }

  func value<Value>(
    _ ask: nonisolated(nonsending) @escaping () async -> Value
  ) throws -> Value {
    var value: Value?
    supervisor.actor.begin { value = await ask() }
    until { value != nil }
    return try #require(value)
  }
}

/// Keeps what was logged.
struct LinesHandler: LogHandler {
  final class Lines: @unchecked Sendable {  // Written and read by the test's thread only.
    var all: [String] = []
  }

  let lines = Lines()
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.debug

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    lines.all.append("\(event.level) \(event.message)")
  }
}
