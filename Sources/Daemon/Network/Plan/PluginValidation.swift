// SPDX-License-Identifier: Apache-2.0
//
// PluginValidation: what a network's plugins say of their options before there is a guest: a process of its own loads them
// and asks them (`validate`), makes nothing and ends. Loop thread.

import HostProtocol
import Platform

enum PluginValidation {
  /// Nanoseconds it may take; a plugin that hangs has no answer.
  static let patience: UInt64 = 10_000_000_000

  /// - Returns: why a network with this plan could not start; nil: nothing is known against it.
  static func run(
    _ plan: LaunchPlan, executable: String, loop: EventLoop, configFile: String
  ) async -> ErrorReport? {
    let link: HostLink
    do {
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      link = try HostLink(executable: executable, log: null, loop: loop)
    } catch {
      return nil
    }
    defer { link.kill() }
    // Killed, it answers nothing.
    var isLate = false
    let timer = loop.schedule(after: patience) {
      isLate = true
      link.kill()
    }
    defer { loop.cancel(timer) }
    do throws(HostError) {
      _ = try await link.ask(.validate(plan.spec(stateDirectory: "")))
      return nil
    } catch {
      // A daemon may be newer than the programs beside it.
      if isLate || error.code == .unsupported && error.plugin == nil { return nil }
      return plan.report(error, configFile: configFile)
    }
  }
}
