// SPDX-License-Identifier: Apache-2.0
//
// The DNS of a running network: another plugin, other options, without a restart; the answers it keeps.

import HostProtocol

extension Network {
  // MARK: What instances ask

  /// The configuration with what the instances ask.
  var asked: NetworkConfiguration { wishes.applied(to: wanted) }

  /// - Parameter wish: nil takes it back.
  func setResolver(_ wish: ResolverWish?, of owner: String) {
    let before = asked.settings
    if wishes.set(wish, of: owner), asked.settings != before { updateDNS() }
  }

  /// Why an owner does not get what it asks; nil: it does.
  func resolverWarning(of owner: String) -> String? {
    wishes.warning(for: owner, on: wanted, plugin: active?.dns.plugin)
  }

  // MARK: Another DNS

  /// Has the process answer as the configuration now wants it. Guests and their connections stay; a plugin that cannot
  /// be loaded or started leaves the one before in place, and `dns.error` says why.
  func updateDNS() {
    guard core.running != nil, active != nil else { return }
    let number = dns.begin()
    settling.begin()
    context.plugins.refresh { [weak self] registry in
      guard let self else { return }
      defer { endSettling() }
      guard let link = core.running, let active, dns.isCurrent(number) else { return }
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
        change(active, to: plan, number, on: link)
      } catch {
        keepDNS(error)
      }
    }
  }

  private func change(
    _ active: LaunchPlan, to plan: LaunchPlan, _ number: Int, on link: HostLink
  ) {
    var same = plan.dnsSpec
    same.plugin.sha256 = active.dns.sha256
    var now = active
    now.network = plan.network
    if same == active.dnsSpec, !dns.isUnderWay {
      if plan.dns.sha256 != active.dns.sha256 {
        log(.notice, "\(plan.dns.file) is another version, which holds from its next start on")
      }
      step(.revised(now))
      dns.settle()
      return
    }
    now.dns = plan.dns
    now.dnsOptions = plan.dnsOptions
    now.dnsBehind = plan.dnsBehind
    now.dnsNeeds = plan.dnsNeeds
    dns.ask(for: plan.dns)
    settling.begin()
    link.request(.setDNS(plan.dnsSpec)) { [weak self, weak link] reply in
      guard let self else { return }
      defer { endSettling() }
      guard let link, self.link === link, !link.hasEnded else { return }
      dns.answered()
      // Also of one that another change has overtaken: what the process has is what the next is compared with.
      if case .success = reply { step(.revised(now)) }
      guard dns.isCurrent(number) else { return }
      switch reply {
      case .success:
        dns.settle()
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
    let error = dns.keep(active, refusing: asked.settings, report)
    log(.error, error.message)
  }

  // MARK: Across a restart

  /// The process has died. If it was about to change its DNS, that is what killed it, as far as anybody knows.
  func noteDeathForDNS() {
    guard let next = dns.died() else { return }
    keepDNS(
      ErrorReport(
        .internal, "its process ended while it changed to \(next.plugin.name) (\(next.file))"))
  }

  /// What the next process begins with: the DNS that answered last, when the one that the configuration wants could not
  /// take its place. It is tried again when the configuration is reread, or from rest.
  func planToStart(_ registry: Registry) throws(ErrorReport) -> LaunchPlan {
    if let kept = dns.kept {
      var network = asked
      network.settings = network.settings.withDNS(of: kept.network.settings)
      if let plan = try? LaunchPlan(network: network, registry: registry, configFile: configFile) {
        return plan
      }
      dns.settle()
    }
    return try LaunchPlan(network: asked, registry: registry, configFile: configFile)
  }

  // MARK: The cache

  /// Empty when the network does not run. Asked for part by part; what is kept or forgotten meanwhile
  /// may be in it or not.
  func listDNSCache(
    _ which: DNSCacheSelection, answer: @escaping (Result<[DNSCacheReport], ErrorReport>) -> Void
  ) {
    guard let link = core.running else { return answer(.success([])) }
    listDNSCache(which, link, after: [], answer: held(answer))
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
      case .success(.json(let value)):
        guard let page = try? JSONText.decode(DNSCachePage.self, from: value) else { fallthrough }
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
          .failure(core.report(.internal, "what its DNS keeps makes no sense")))
      case .failure(let error): answer(.failure(core.report(error)))
      }
    }
  }

  func flushDNSCache(
    _ which: DNSCacheSelection, answer: @escaping (Result<DNSFlushReport, ErrorReport>) -> Void
  ) {
    let none = DNSFlushReport(network: name, forgotten: 0)
    guard let link = core.running else { return answer(.success(none)) }
    link.request(.flushDNSCache(which)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success(.json(let count)):
        answer(.success(DNSFlushReport(network: name, forgotten: count.integer() ?? 0)))
      case .success: answer(.success(none))
      case .failure(let error): answer(.failure(core.report(error)))
      }
    }
  }
}
