// SPDX-License-Identifier: Apache-2.0
//
// A host of the test's own for networks that have an interface of the host's: a namespace with a
// daemon in it, and another namespace beyond it, reached by a wire:
//
//   guests ── daemon ── lnUID-NET, 192.168.105.1 ── the host ── 203.0.113.1 ── 203.0.113.2 outside
//
// The host has 10.99.0.1 besides, which only it has.

import Foundation
import Testing

final class HostTapScene {
  let host: Namespace
  let outside: Int32
  let daemon: TestDaemon
  private let outsideHolder: RunningCommand
  private var running: [RunningCommand] = []

  static let configuration = """
    networks:
      shared:
        mode: shared
      host:
        mode: host
      lan:
        mode: bridged
        interface: br0

    """

  /// - Parameter user: words that make the daemon somebody else in the namespace.
  init(configuration: String? = configuration, user: [String] = [], start: Bool = true) throws {
    host = try Namespace()
    let words = host.wrapper + ["unshare", "-n", "sh", "-c", "echo up $$; exec sleep 600"]
    outsideHolder = try RunningCommand(words[0], Array(words.dropFirst()))
    let holder = outsideHolder
    guard eventually({ holder.output.contains("up") }) else {
      throw TestFailure("no second namespace: \(holder.errors)")
    }
    guard let pid = Int32(holder.output.split(whereSeparator: \.isWhitespace).last ?? "") else {
      throw TestFailure("no second namespace: \(holder.output)")
    }
    outside = pid
    // Root's own helper, where the products came without it.
    if !FileManager.default.fileExists(atPath: Installation.tapHelper) {
      let built = try run(
        Installation.root + "/Scripts/build-tap", [Installation.tapHelper], seconds: 60)
      guard built.succeeded else { throw TestFailure("\(built)") }
    }
    daemon = try TestDaemon(
      configuration: configuration, wrapper: host.wrapper + user, start: false)
    let made = try host.shell(
      """
      set -e
      ip link add out type veth peer name eth0 netns \(pid)
      ip addr add 203.0.113.1/24 dev out
      ip link set out up
      ip link add own type bridge
      ip addr add 10.99.0.1/24 dev own
      ip link set own up
      """)
    guard made.succeeded else { throw TestFailure("\(made)") }
    let far = try outsideShell(
      "ip link set lo up; ip addr add 203.0.113.2/24 dev eth0; ip link set eth0 up")
    guard far.succeeded else { throw TestFailure("\(far)") }
    if start { try daemon.start() }
  }

  /// What goes before a command that is to run outside.
  var outsideWrapper: [String] {
    let target = ["nsenter", "-t", "\(outside)", "-n"]
    return getuid() == 0 ? target : target + ["-U", "--preserve-credentials"]
  }

  @discardableResult
  func outsideShell(_ script: String, seconds: Double = 30) throws -> CommandResult {
    let words = outsideWrapper + ["sh", "-c", script]
    return try run(words[0], Array(words.dropFirst()), seconds: seconds)
  }

  /// Starts a program on the host or outside, until the scene is over.
  @discardableResult
  func begin(_ wrapper: [String], _ words: [String]) throws -> RunningCommand {
    let all = wrapper + words
    let command = try RunningCommand(all[0], Array(all.dropFirst()))
    running.append(command)
    return command
  }

  /// A web server on the host or outside that answers `text`, on port 8000, and its log.
  @discardableResult
  func web(_ wrapper: [String], _ text: String, bind: String = "0.0.0.0") throws -> RunningCommand {
    let folder = daemon.home + "/www-\(text)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try text.write(toFile: folder + "/index.html", atomically: true, encoding: .utf8)
    let command = try begin(
      wrapper,
      ["python3", "-u", "-m", "http.server", "8000", "--bind", bind, "--directory", folder])
    guard eventually({ command.output.contains("Serving") }) else {
      throw TestFailure("no web server: \(command.errors)")
    }
    return command
  }

  /// A guest that stays, and serves its name on port 8000.
  func server(_ name: String, on network: String, ipv6: Bool = false) throws -> String {
    let folder = daemon.home + "/guest-\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try "guest \(name)".write(toFile: folder + "/index.html", atomically: true, encoding: .utf8)
    let guest = try daemon.begin(
      "exec", network, "--name", name, "--", "python3", "-u", "-m", "http.server", "8000",
      "--bind", ipv6 ? "::" : "0.0.0.0", "--directory", folder)
    running.append(guest)
    guard eventually({ guest.output.contains("Serving") }) else {
      throw TestFailure("no guest: \(guest.errors)\n\(daemon.log)\n\(daemon.log(of: network))")
    }
    let leases = try daemon.netd("leases", "--json")
    let list =
      try JSONSerialization.jsonObject(with: Data(leases.output.utf8)) as? [[String: Any]] ?? []
    let own = list.first {
      ($0["name"] as? String == name || $0["hostname"] as? String == name)
        && ($0["address"] as? String)?.contains(":") == ipv6
    }
    return try #require(own?["address"] as? String, "\(leases)")
  }

  /// What the host has that outlives processes.
  func hostState() throws -> String {
    try host.shell(
      """
      ip -j link | sed 's/"stats64.*//'; ip -j addr; ip -j route; ip -j -6 route; ip -j rule
      nft -j list ruleset 2>/dev/null
      sysctl -a 2>/dev/null | grep '^net\\.ipv[46]\\.\\(ip_forward\\|conf\\)' | sort
      """
    ).output
  }

  func interfaces() throws -> String { try host.shell("ip -o link").output }

  func stop() {
    for command in running { command.stop() }
    daemon.stop()
    outsideHolder.stop()
    host.remove()
  }
}
