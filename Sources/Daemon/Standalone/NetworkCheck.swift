// SPDX-License-Identifier: Apache-2.0
//
// NetworkCheck: why one network of a networks.yaml can never start, as its plugin says, for a command that root runs: only
// plugins of the installation are asked, which are root's as this program is. Runs a loop of its own, and blocks the caller.

import HostProtocol
import Platform

package enum NetworkCheck {
  /// - Parameter file: networks.yaml, for the place of a mistake in it.
  /// - Returns: with file, line and column where there is a place; nil: nothing is known against it, or its plugin is none of
  ///   the installation's.
  /// - Throws: `SystemError` when no event loop can be had.
  package static func refusal(
    of network: NetworkConfiguration, file: String, installation: Installation
  ) throws(SystemError) -> String? {
    let registry = try PluginSurvey.registry(directories: [], installation: installation)
    guard network.settings.plugin == nil,
      registry.report.modes.contains(where: { $0.mode == network.settings.mode })
    else { return nil }
    let plan: LaunchPlan
    do throws(ErrorReport) {
      plan = try LaunchPlan(network: network, registry: registry, configFile: file)
    } catch {
      // A DNS plugin, for one, may be the user's own.
      return error.message.hasPrefix(file) ? error.message : nil
    }
    let loop = try EventLoop()
    return LoopActor.running(loop).finish(on: loop) {
      await PluginValidation.run(
        plan, executable: installation.hostExecutable, loop: loop, configFile: file)?.message
    }
  }
}
