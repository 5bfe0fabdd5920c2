// SPDX-License-Identifier: Apache-2.0
//
// PluginValidation: what a network's plugins say of their options before there is a guest: a process of its own loads them
// and asks them (`validate`), makes nothing and ends. Loop thread.

import HostProtocol
import Platform

enum PluginValidation {
  /// Nanoseconds it may take; a plugin that hangs has no answer.
  static let patience: UInt64 = 10_000_000_000

  /// - Parameter answer: called once: why a network with this plan could not start; nil: nothing is known against it.
  static func run(
    _ plan: LaunchPlan, executable: String, loop: EventLoop, configFile: String,
    _ answer: @escaping (ErrorReport?) -> Void
  ) {
    let link: HostLink
    do {
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      link = try HostLink(executable: executable, log: null, loop: loop)
    } catch {
      return answer(nil)
    }
    var done = false
    let end = { (report: ErrorReport?) in
      guard !done else { return }
      done = true
      link.kill()
      answer(report)
    }
    let timer = loop.schedule(after: patience) { end(nil) }
    link.request(.validate(plan.spec(stateDirectory: ""))) { reply in
      loop.cancel(timer)
      switch reply {
      case .success: end(nil)
      // A daemon may be newer than the programs beside it.
      case .failure(let error) where error.code == .unsupported && error.plugin == nil: end(nil)
      case .failure(let error): end(plan.report(error, configFile: configFile))
      }
    }
  }
}
