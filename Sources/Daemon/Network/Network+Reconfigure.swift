// SPDX-License-Identifier: Apache-2.0
//
// Other options for the plugin of a running network: it is asked whether it takes them while it runs (`reconfigure`). Egress
// rules are asked for by themselves: they hold at once, whatever else of the configuration has to wait.

import HostProtocol

extension Network {
  /// Nothing but the options of the network's plugin differs from what runs, the DNS aside.
  private func differsInOptionsAlone(_ active: LaunchPlan) -> Bool {
    var same = active.network.settings.withDNS(of: asked.settings)
    same.options = asked.settings.options
    return same == asked.settings
  }

  /// Has the options of the configuration hold now, if the plugin can; all else holds from the network's next start on.
  func reconfigure() {
    settling.forgetRefusals()
    settling.begin()
    core.begin { [self] in
      let registry = await context.plugins.refresh()
      await changeEgress(registry)
      await changeOptions(registry)
      endSettling()
    }
  }

  private func changeEgress(_ registry: Registry) async {
    guard let active else { return }
    var settings = active.network.settings
    settings.options["egress"] = asked.settings.options["egress"]
    settings.closedNetworks = asked.settings.closedNetworks
    settling.egressRefusal = await refusal(of: settings, registry)
  }

  private func changeOptions(_ registry: Registry) async {
    guard let active, needsStart else { return }
    // With rules that are refused the others would be, too.
    guard settling.egressRefusal == nil else {
      settling.optionsRefusal = settling.egressRefusal
      return
    }
    guard differsInOptionsAlone(active) else { return tellOfNextStart() }
    var settings = active.network.settings
    settings.options = asked.settings.options
    settling.optionsRefusal = await refusal(of: settings, registry)
    if settling.optionsRefusal == nil, needsStart { tellOfNextStart() }
  }

  private func tellOfNextStart() {
    log(.notice, "the configuration has changed and holds from its next start on")
  }

  /// Asks the plugin to take other options.
  /// - Parameter settings: those that the process has, but for options and closed networks.
  /// - Returns: why they do not hold; nil: they do, or hold from the next start on.
  private func refusal(
    of settings: NetworkConfiguration.Settings, _ registry: Registry
  ) async -> ErrorReport? {
    guard let link = core.running, let active, settings != active.network.settings else {
      return nil
    }
    var network = active.network
    network.settings = settings
    network.marks = asked.marks
    let plan: LaunchPlan
    do throws(ErrorReport) {
      plan = try LaunchPlan(network: network, registry: registry, configFile: configFile)
    } catch {
      return refuse(error)
    }
    // Closed networks mean nothing to this plugin.
    if plan.options == active.options {
      var now = active
      now.network.settings = settings
      step(.revised(now))
      return nil
    }
    // Another confinement, capability or interface needs another process.
    guard plan.plugin.sha256 == active.plugin.sha256, plan.needs == active.needs,
      !plan.plugin.plugin.needsTap
    else { return nil }
    var failure: HostError?
    do throws(HostError) {
      _ = try await link.ask(.reconfigure(plan.spec(stateDirectory: plan.stateDirectory(core))))
    } catch {
      failure = error
    }
    // Another process, or another DNS of this one, may run by now.
    guard self.link === link, !link.hasEnded, var now = self.active else { return nil }
    if let failure {
      return failure.code == .unsupported
        ? nil : refuse(plan.report(failure, configFile: configFile))
    }
    now.network.settings.options = plan.network.settings.options
    now.network.settings.closedNetworks = plan.network.settings.closedNetworks
    now.options = plan.options
    step(.revised(now))
    log(.notice, "its new options hold from now on")
    return nil
  }

  /// It runs on with those that it has: users see why, until networks.yaml says otherwise.
  private func refuse(_ report: ErrorReport) -> ErrorReport {
    var told = report
    told.message += ": it runs on with the options that it has"
    log(.error, told.message)
    step(.complained(told))
    return report
  }

  /// Asks the plugins of a network at rest whether they take the configuration; the first guest would find out.
  func validate(_ registry: Registry) {
    guard state == .stopped,
      let plan = try? LaunchPlan(network: asked, registry: registry, configFile: configFile)
    else { return }
    settling.begin()
    let checked = asked.settings
    core.begin { [self] in
      let report = await PluginValidation.run(
        plan, executable: context.hostExecutable, loop: context.loop, configFile: configFile)
      if state == .stopped, checked == asked.settings {
        settling.validation = report
        if let report { log(.warning, report.message) }
      }
      endSettling()
    }
  }

  // MARK: What became of it

  func endSettling() { settling.end() }

  /// Kept when the process has answered what the configuration asks of it.
  func whenSettled() -> Promise<Void, Never> { settling.wait() }

  /// - Parameter registry: what is known of the plugins.
  func standing(_ registry: Registry) -> NetworkStanding {
    var standing = NetworkStanding()
    switch state {
    case .stopped, .failed: standing.error = report(registry: registry).error
    // The next process has what the configuration has then.
    case .stopping, .restarting: break
    case .starting, .running:
      guard let active else { break }
      for key in active.network.settings.keysThatDiffer(from: asked.settings) {
        guard let refusal = refusal(of: key) else {
          standing.waiting.append(key)
          continue
        }
        if let index = standing.refused.firstIndex(where: { $0.message == refusal.message }) {
          standing.refused[index].keys.append(key)
        } else {
          standing.refused.append(
            ReloadReport.Refusal(keys: [key], code: refusal.code, message: refusal.message))
        }
      }
    }
    return standing
  }

  private func refusal(of key: String) -> ErrorReport? {
    switch key {
    case "egress": settling.egressRefusal
    case _ where key.hasPrefix("options."): settling.optionsRefusal
    case _ where key.hasPrefix("dns"): dns.error
    default: nil
    }
  }
}
