// SPDX-License-Identifier: Apache-2.0
//
// The DNS of a running network: another plugin, other options, without a restart; the answers it keeps.

import HostProtocol

/// The DNS of a running network when the one that is asked for could not take its place.
struct KeptDNS {
  /// As it was when that DNS came to answer.
  var network: NetworkConfiguration
  /// What is not tried again by itself.
  var refused: NetworkConfiguration.Settings
}

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
        let now = asked
        var network = active.network
        network.settings = network.settings.withDNS(of: now.settings)
        network.marks = now.marks
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
      settleDNS()
      return
    }
    let current = dnsUpdate
    nextDNS = plan.dns
    link.request(.setDNS(plan.dnsSpec)) { [weak self, weak link] reply in
      guard let self, let link, self.link === link, !link.hasEnded, dnsUpdate == current else {
        return
      }
      nextDNS = nil
      switch reply {
      case .success:
        self.active?.network = plan.network
        self.active?.dns = plan.dns
        self.active?.dnsOptions = plan.dnsOptions
        self.active?.dnsNeeds = plan.dnsNeeds
        settleDNS()
        log(
          .notice,
          "DNS by \(plan.dns.plugin.name) \(plan.dns.module.version) (\(plan.dns.file)) from now on"
        )
      case .failure(let error):
        keepDNS(plan.report(error, configFile: configFile))
      }
    }
  }

  private func settleDNS() {
    dnsError = nil
    keptDNS = nil
  }

  private func keepDNS(_ report: ErrorReport) {
    keptDNS = active.map { KeptDNS(network: $0.network, refused: asked.settings) }
    let name = active?.dns.plugin.name ?? "the plugin before"
    let text = "its DNS is not changed, \(name) goes on: \(report.message)"
    dnsError = ErrorReport(code: report.code, message: text)
    log(.error, text)
  }

  // MARK: Across a restart

  /// The process has died. If it was about to change its DNS, that is what killed it, as far as anybody knows.
  func noteDeathForDNS() {
    guard let next = nextDNS else { return }
    nextDNS = nil
    keepDNS(
      ErrorReport(
        code: HostError.Code.internal.rawValue,
        message: "its process ended while it changed to \(next.plugin.name) (\(next.file))"))
  }

  /// What the next process begins with: the DNS that answered last, when the one that the configuration wants could not
  /// take its place. It is tried again when the configuration is reread, or from rest.
  func planToStart(_ registry: Registry) throws(ErrorReport) -> LaunchPlan {
    if let keptDNS {
      var network = asked
      network.settings = network.settings.withDNS(of: keptDNS.network.settings)
      if let plan = try? LaunchPlan(network: network, registry: registry, configFile: configFile) {
        return plan
      }
      settleDNS()
    }
    return try LaunchPlan(network: asked, registry: registry, configFile: configFile)
  }

  // MARK: The cache

  /// Empty when the network does not run. Asked for part by part; what is kept or forgotten meanwhile
  /// may be in it or not.
  func listDNSCache(
    _ which: DNSCacheSelection, answer: @escaping (Result<[DNSCacheReport], ErrorReport>) -> Void
  ) {
    guard state == .running, let link else { return answer(.success([])) }
    listDNSCache(which, link, after: [], answer: answer)
  }

  /// As many as the cache has entries, from a process that may be anybody's.
  private static let mostCacheEntries = 16384
  /// A full cache has some 40, also where few of its names are asked for.
  private static let mostCachePages = 64

  private func listDNSCache(
    _ which: DNSCacheSelection, _ link: HostLink, after before: [[DNSCacheEntry]],
    answer: @escaping (Result<[DNSCacheReport], ErrorReport>) -> Void
  ) {
    link.request(.listDNSCache(which)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success(.json(let text)):
        guard let page = try? JSONText.decode(DNSCachePage.self, from: text) else { fallthrough }
        let pages = before + [page.entries]
        guard let next = page.next, next > which.from, pages.count < Self.mostCachePages,
          pages.reduce(0, { $0 + $1.count }) < Self.mostCacheEntries
        else {
          return answer(
            .success(pages.flatMap { $0.map { DNSCacheReport(network: self.name, $0) } }))
        }
        var rest = which
        rest.from = next
        listDNSCache(rest, link, after: pages, answer: answer)
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

  func flushDNSCache(
    _ which: DNSCacheSelection, answer: @escaping (Result<DNSFlushReport, ErrorReport>) -> Void
  ) {
    let none = DNSFlushReport(network: name, forgotten: 0)
    guard state == .running, let link else { return answer(.success(none)) }
    link.request(.flushDNSCache(which)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success(.json(let text)):
        answer(.success(DNSFlushReport(network: name, forgotten: Int(text) ?? 0)))
      case .success: answer(.success(none))
      case .failure(let error): answer(.failure(report(error)))
      }
    }
  }
}
