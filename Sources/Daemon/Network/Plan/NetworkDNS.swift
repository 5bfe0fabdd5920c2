// SPDX-License-Identifier: Apache-2.0
//
// NetworkDNS: how far the DNS of a network is what its configuration wants: another that the process is changing to, and
// the one that goes on where the wanted one could not take its place. Values.

import HostProtocol

struct NetworkDNS {
  /// The DNS that goes on, and that a process which is started again begins with.
  struct Kept {
    /// As it was when that DNS came to answer.
    var network: NetworkConfiguration
    /// What is not tried again by itself.
    var refused: NetworkConfiguration.Settings
  }

  /// What instances ask of it.
  var wishes = ResolverWishes()
  private(set) var kept: Kept?
  /// Why the DNS that the configuration wants is not the one that answers.
  private(set) var error: ErrorReport?
  /// What the process was asked to change its DNS to and has not answered yet, in order.
  private var asked: [RegisteredPlugin] = []
  /// Counts changes, so that answers to an earlier one are recognised.
  private var number = 0

  /// One more change begins.
  mutating func begin() -> Int {
    number += 1
    return number
  }

  func isCurrent(_ number: Int) -> Bool { number == self.number }

  /// The process is asked for it.
  mutating func ask(for plugin: RegisteredPlugin) { asked.append(plugin) }

  /// What the process answers by is not known for sure.
  var isUnderWay: Bool { !asked.isEmpty }

  /// The process has answered the first question that it had not.
  mutating func answered() {
    if !asked.isEmpty { asked.removeFirst() }
  }

  /// The process has died.
  /// - Returns: what it was about to change to; nil: nothing.
  mutating func died() -> RegisteredPlugin? {
    defer { asked = [] }
    return asked.last
  }

  /// What the configuration wants is what answers.
  mutating func settle() {
    error = nil
    kept = nil
  }

  /// What is wanted cannot be.
  /// - Parameter active: how the network runs; nil: it does not.
  /// - Returns: the error, as it is told.
  mutating func keep(
    _ active: LaunchPlan?, refusing wanted: NetworkConfiguration.Settings, _ report: ErrorReport
  ) -> ErrorReport {
    kept = active.map { Kept(network: $0.network, refused: wanted) }
    let name = active?.dns.plugin.name ?? "the plugin before"
    let told = ErrorReport(
      code: report.code, message: "its DNS is not changed, \(name) goes on: \(report.message)")
    error = told
    return told
  }

  /// The network is at rest.
  mutating func rest() {
    settle()
    asked = []
  }

  /// A process runs with what it was started with.
  mutating func started() {
    if kept == nil { error = nil }
  }
}
