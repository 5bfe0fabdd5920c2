// SPDX-License-Identifier: Apache-2.0
//
// The DNS of a running network: another plugin, other options, without a restart; the answers it keeps.

import HostProtocol

extension Network {
  // MARK: What instances ask

  /// The configuration with what the instances ask.
  var asked: NetworkConfiguration { dns.wishes.applied(to: wanted) }

  /// - Parameter wish: nil takes it back.
  func setResolver(_ wish: ResolverWish?, of owner: String) {
    let before = asked.settings
    if dns.wishes.set(wish, of: owner), asked.settings != before { updateDNS() }
  }

  /// Why an owner does not get what it asks; nil: it does.
  func resolverWarning(of owner: String) -> String? {
    dns.wishes.warning(for: owner, on: wanted, plugin: active?.dns.plugin)
  }

  // MARK: Another DNS

  /// Has the process answer as the configuration now wants it. Guests and their connections stay; a plugin that cannot
  /// be loaded or started leaves the one before in place, and `dns.error` says why.
  func updateDNS() {
    guard core.running != nil, active != nil else { return }
    let number = dns.begin()
    settling.begin()
    core.begin { [self] in
      let registry = await context.plugins.refresh()
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
    let changed = link.send(.setDNS(plan.dnsSpec))
    core.begin { [self] in
      var refusal: HostError?
      do throws(HostError) { _ = try await changed.value() } catch { refusal = error }
      defer { endSettling() }
      guard self.link === link, !link.hasEnded else { return }
      dns.answered()
      // Also of one that another change has overtaken: what the process has is what the next is compared with.
      if refusal == nil { step(.revised(now)) }
      guard dns.isCurrent(number) else { return }
      if let refusal { return keepDNS(plan.report(refusal, configFile: configFile)) }
      dns.settle()
      log(
        .notice,
        "DNS by \(plan.dns.plugin.name) \(plan.dns.module.version) (\(plan.dns.file)) from now on"
      )
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

  /// As many as the cache has entries, from a process that may be anybody's.
  private static let mostCacheEntries = 16384
  /// A full cache has some 40, also where few of its names are asked for.
  private static let mostCachePages = 64

  /// Empty when the network does not run. Asked for part by part; what is kept or forgotten meanwhile
  /// may be in it or not.
  func listDNSCache(_ which: DNSCacheSelection) async throws(ErrorReport) -> [DNSCacheReport] {
    guard let link = core.running else { return [] }
    return try await whileHeld { () async throws(ErrorReport) in
      var rest = which
      var entries: [DNSCacheEntry] = []
      for _ in 0..<Self.mostCachePages {
        guard case .json(let value) = try await core.ask(link, .listDNSCache(rest)),
          let page = try? JSONText.decode(DNSCachePage.self, from: value)
        else { throw core.report(.internal, "what its DNS keeps makes no sense") }
        entries += page.entries
        guard let next = page.next, next > rest.from, entries.count < Self.mostCacheEntries
        else { break }
        rest.from = next
      }
      return entries.map { DNSCacheReport(network: name, $0) }
    }
  }

  func flushDNSCache(_ which: DNSCacheSelection) async throws(ErrorReport) -> DNSFlushReport {
    guard let link = core.running,
      case .json(let count) = try await core.ask(link, .flushDNSCache(which))
    else { return DNSFlushReport(network: name, forgotten: 0) }
    return DNSFlushReport(network: name, forgotten: count.integer() ?? 0)
  }
}
