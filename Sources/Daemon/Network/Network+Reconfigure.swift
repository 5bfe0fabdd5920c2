// SPDX-License-Identifier: Apache-2.0
//
// Other options for the plugin of a running network: it is asked whether it takes them while it runs (`reconfigure`).

import HostProtocol

extension Network {
  /// Nothing but the options of the network's plugin differs from what runs, the DNS aside.
  func differsInOptionsAlone(_ active: LaunchPlan, from wanted: NetworkConfiguration) -> Bool {
    var same = active.network.settings.withDNS(of: wanted.settings)
    guard same != wanted.settings else { return false }
    same.options = wanted.settings.options
    return same == wanted.settings
  }

  /// Has the options of the configuration hold now, if the plugin can; else they hold from the network's next start on.
  func reconfigure() {
    context.plugins.refresh { [weak self] registry in
      guard let self, let link = core.running, let active,
        differsInOptionsAlone(active, from: asked)
      else { return }
      do throws(ErrorReport) {
        var network = active.network
        network.settings.options = asked.settings.options
        network.marks = asked.marks
        let plan = try LaunchPlan(network: network, registry: registry, configFile: configFile)
        // Another confinement, capability or interface needs another process.
        guard plan.plugin.sha256 == active.plugin.sha256, plan.needs == active.needs,
          !plan.plugin.plugin.needsTap
        else { return tellOfNextStart() }
        ask(active, to: plan, on: link)
      } catch {
        refuseOptions(error)
      }
    }
  }

  func tellOfNextStart() {
    log(.notice, "the configuration has changed and holds from its next start on")
  }

  /// It runs on with those that it has: users see why, until networks.yaml says otherwise.
  private func refuseOptions(_ report: ErrorReport) {
    var told = report
    told.message += ": it runs on with the options that it has"
    log(.error, told.message)
    step(.complained(told))
  }

  private func ask(_ active: LaunchPlan, to plan: LaunchPlan, on link: HostLink) {
    let spec = plan.spec(stateDirectory: core.directory)
    link.request(.reconfigure(spec)) { [weak self, weak link] reply in
      guard let self, let link, self.link === link, !link.hasEnded, let active = self.active else {
        return
      }
      switch reply {
      case .success:
        var now = active
        now.network.settings.options = plan.network.settings.options
        now.options = plan.options
        step(.revised(now))
        log(.notice, "its new options hold from now on")
      case .failure(let error) where error.code == .unsupported: tellOfNextStart()
      case .failure(let error):
        refuseOptions(plan.report(error, configFile: configFile))
      }
    }
  }
}
