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
    context.plugins.refresh { [weak self] registry in
      guard let self else { return }
      changeEgress(registry) { [weak self] in
        self?.changeOptions(registry)
        self?.endSettling()
      }
    }
  }

  private func changeEgress(_ registry: Registry, then: @escaping () -> Void) {
    guard let active else { return then() }
    var options = active.network.settings.options
    options["egress"] = asked.settings.options["egress"]
    ask(for: options, registry) { [weak self] refusal in
      self?.settling.egressRefusal = refusal
      then()
    }
  }

  private func changeOptions(_ registry: Registry) {
    guard let active, needsStart else { return }
    // With rules that are refused the others would be, too.
    guard settling.egressRefusal == nil else {
      settling.optionsRefusal = settling.egressRefusal
      return
    }
    guard differsInOptionsAlone(active) else { return tellOfNextStart() }
    settling.begin()
    ask(for: asked.settings.options, registry) { [weak self] refusal in
      guard let self else { return }
      settling.optionsRefusal = refusal
      if refusal == nil, needsStart { tellOfNextStart() }
      endSettling()
    }
  }

  private func tellOfNextStart() {
    log(.notice, "the configuration has changed and holds from its next start on")
  }

  /// - Parameter done: why they do not hold; nil: they do, or hold from the next start on.
  private func ask(
    for options: JSONObject, _ registry: Registry, done: @escaping (ErrorReport?) -> Void
  ) {
    guard let link = core.running, let active, options != active.network.settings.options else {
      return done(nil)
    }
    var network = active.network
    network.settings.options = options
    network.marks = asked.marks
    let plan: LaunchPlan
    do throws(ErrorReport) {
      plan = try LaunchPlan(network: network, registry: registry, configFile: configFile)
    } catch {
      return done(refuse(error))
    }
    // Another confinement, capability or interface needs another process.
    guard plan.plugin.sha256 == active.plugin.sha256, plan.needs == active.needs,
      !plan.plugin.plugin.needsTap
    else { return done(nil) }
    let spec = plan.spec(stateDirectory: plan.stateDirectory(core))
    link.request(.reconfigure(spec)) { [weak self, weak link] reply in
      guard let self, let link, self.link === link, !link.hasEnded, let active = self.active else {
        return done(nil)
      }
      switch reply {
      case .success:
        var now = active
        now.network.settings.options = plan.network.settings.options
        now.options = plan.options
        step(.revised(now))
        log(.notice, "its new options hold from now on")
        done(nil)
      case .failure(let error) where error.code == .unsupported: done(nil)
      case .failure(let error): done(refuse(plan.report(error, configFile: configFile)))
      }
    }
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
    PluginValidation.run(
      plan, executable: context.hostExecutable, loop: context.loop, configFile: configFile
    ) { [weak self] report in
      guard let self else { return }
      if state == .stopped, checked == asked.settings {
        settling.validation = report
        if let report { log(.warning, report.message) }
      }
      endSettling()
    }
  }

  // MARK: What became of it

  func endSettling() {
    for waiter in settling.end() { waiter() }
  }

  /// Tells when the process has answered what the configuration asks of it; at once where nothing is asked.
  func whenSettled(_ waiter: @escaping () -> Void) {
    if !settling.wait(waiter) { waiter() }
  }

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
