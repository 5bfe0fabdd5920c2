// SPDX-License-Identifier: Apache-2.0
//
// The DNS of a running network: another plugin, other options, without a restart; the answers it keeps.

import HostProtocol

extension Network {
  /// Has the process answer as the configuration now wants it. Guests and their connections stay; a plugin that cannot
  /// be loaded or started leaves the one before in place, and `dnsError` says why.
  func updateDNS() {
    guard state == .running, active != nil else { return }
    dnsUpdate += 1
    let current = dnsUpdate
    context.plugins.refresh { [weak self] registry in
      guard let self, state == .running, let link, let active, dnsUpdate == current else { return }
      do throws(ErrorReport) {
        // All but the DNS holds from the next start on.
        var network = active.network
        network.settings = network.settings.withDNS(of: wanted.settings)
        network.marks = wanted.marks
        let plan = try LaunchPlan(network: network, registry: registry, configFile: configFile)
        for warning in plan.warnings where !active.warnings.contains(warning) {
          log(.warning, warning)
        }
        change(active, to: plan, on: link)
      } catch {
        keepDNS(error)
      }
    }
  }

  private func change(_ active: LaunchPlan, to plan: LaunchPlan, on link: HostLink) {
    var same = plan.dnsSpec
    same.plugin.sha256 = active.dns.sha256
    if same == active.dnsSpec {
      if plan.dns.sha256 != active.dns.sha256 {
        log(.notice, "\(plan.dns.file) is another version, which holds from its next start on")
      }
      self.active?.network = plan.network
      dnsError = nil
      return
    }
    let current = dnsUpdate
    link.request(.setDNS(plan.dnsSpec)) { [weak self, weak link] reply in
      guard let self, let link, self.link === link, !link.hasEnded, dnsUpdate == current else {
        return
      }
      switch reply {
      case .success:
        self.active?.network = plan.network
        self.active?.dns = plan.dns
        self.active?.dnsOptions = plan.dnsOptions
        dnsError = nil
        log(
          .notice,
          "DNS by \(plan.dns.plugin.name) \(plan.dns.module.version) (\(plan.dns.file)) from now on"
        )
      case .failure(let error):
        keepDNS(plan.report(error, configFile: configFile))
      }
    }
  }

  private func keepDNS(_ report: ErrorReport) {
    let name = active?.dns.plugin.name ?? "the plugin before"
    let text = "its DNS is not changed, \(name) goes on: \(report.message)"
    dnsError = ErrorReport(code: report.code, message: text)
    log(.error, text)
  }

  // MARK: The cache

  /// Empty when the network does not run.
  func listDNSCache(answer: @escaping (Result<[DNSCacheReport], ErrorReport>) -> Void) {
    guard state == .running, let link else { return answer(.success([])) }
    link.request(.listDNSCache) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success(.json(let text)):
        guard let entries = try? JSONText.decode([DNSCacheEntry].self, from: text) else {
          fallthrough
        }
        answer(.success(entries.map { DNSCacheReport(network: self.name, $0) }))
      case .success:
        answer(
          .failure(
            ErrorReport(
              code: HostError.Code.internal.rawValue,
              message: "network \(name): what its DNS keeps makes no sense")))
      case .failure(let error): answer(.failure(report(error)))
      }
    }
  }

  func flushDNSCache(answer: @escaping (Result<Void, ErrorReport>) -> Void) {
    guard state == .running, let link else { return answer(.success(())) }
    link.request(.flushDNSCache) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success: answer(.success(()))
      case .failure(let error): answer(.failure(report(error)))
      }
    }
  }
}
