// SPDX-License-Identifier: Apache-2.0
//
// A machine of the test's own: a network namespace with loopback and, if wanted,
// addresses on a wire that leads nowhere. What a test sends cannot leave it.

import Foundation

final class Namespace {
  private let holder: RunningCommand

  /// - Parameter addresses: of the wire, as "192.0.2.2/24".
  init(addresses: [String] = []) throws {
    let setup =
      """
      set -e
      ip link set lo up
      echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range || true
      ip link add wire type veth peer name nowhere
      ip link set wire up
      ip link set nowhere up
      for address in \(addresses.joined(separator: " ")); do ip addr add $address dev wire; done
      echo up
      exec sleep 600
      """
    holder = try RunningCommand(
      "unshare", (getuid() == 0 ? ["-n"] : ["-Urn"]) + ["sh", "-c", setup])
    let holder = self.holder
    guard eventually({ holder.output.contains("up") }) else {
      throw TestFailure("no network namespace: \(holder.errors)")
    }
  }

  /// A process that is in it.
  var processIdentifier: Int32 { holder.process.processIdentifier }

  /// What goes before a command that is to run in it.
  var wrapper: [String] {
    let target = ["nsenter", "-t", "\(processIdentifier)", "-n"]
    return getuid() == 0 ? target : target + ["-U", "--preserve-credentials"]
  }

  /// Runs a shell script in it.
  @discardableResult
  func shell(_ script: String, seconds: Double = 30) throws -> CommandResult {
    let words = wrapper + ["sh", "-c", script]
    return try run(words[0], Array(words.dropFirst()), seconds: seconds)
  }

  func remove() { holder.stop() }
}
