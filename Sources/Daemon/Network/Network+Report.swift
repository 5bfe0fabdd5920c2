// SPDX-License-Identifier: Apache-2.0
//
// What a network says of itself, and the questions it passes on to its process.

import HostProtocol
import Platform

extension NetworkConfiguration.Settings {
  /// Nil: neither.
  var sandboxWord: String? { isStrict ? "strict" : isConfined ? nil : "off" }
}

extension Network {
  /// - Parameter registry: what is known of the plugins; nil before they have been looked at.
  func report(registry: Registry?) -> NetworkReport {
    var plan = active
    var error = life.state.error ?? uplink.trouble ?? dns.error
    if plan == nil, let registry {
      // At rest: say what would be loaded, or why it could not be.
      do throws(ErrorReport) {
        plan = try LaunchPlan(network: asked, registry: registry, configFile: configFile)
        if let path = plan?.peerSocket, let ring = ring(with: path) { throw ring }
      } catch let problem {
        error = error ?? problem
      }
      error = error ?? settling.validation
    }
    return NetworkReport(
      name: name, mode: (active?.network ?? wanted).settings.mode,
      source: wanted.builtin ? "built-in" : "networks.yaml", state: state, changed: isChanged,
      error: error, plugin: plan?.plugin.loaded, dns: plan?.dns.loaded,
      options: plan.map { .object($0.shownOptions) }, sockets: listeners.paths,
      log: core.logFile,
      guests: guests.reports, forwards: forwards.listed,
      host: link.map { HostReport(pid: $0.pid, since: $0.startedAt) },
      restarts: life.restarts, retryAt: life.state.retryAt.map { WallClock.timestamp($0) },
      lastExit: lastExit, uplink: uplink.peerReport, hostInterface: uplink.hostInterface,
      joined: active?.joined?.name, ipv6: plan.flatMap(Self.ipv6), unresponsive: unresponsive,
      user: (active?.network ?? wanted).settings.user?.name,
      sandbox: (active?.network ?? wanted).settings.sandboxWord,
      pluginStates: record.pluginStates.isEmpty ? nil : record.pluginStates, live: nil)
  }

  /// As the options have it, or as the host's interface is to have it.
  private static func ipv6(_ plan: LaunchPlan) -> IPv6Report? {
    guard plan.joined == nil, plan.peerSocket == nil else { return nil }
    if let address = (try? plan.tapRequest())?.address6.flatMap({ IPv6Network($0) }) {
      return IPv6Report(network: "\(address.network)", gateway: address.address)
    }
    return plan.network.network6.map {
      IPv6Report(network: "\($0)", gateway: plan.options["gateway6"]?.string)
    }
  }

  /// Tells the log why it could not start; nothing when it could, or runs.
  func warnIfUnstartable(registry: Registry) {
    guard state == .stopped, let error = report(registry: registry).error else { return }
    log(.warning, error.message)
  }

  /// The report with what the process says of its ports and plugins.
  func liveReport(registry: Registry?) async -> LiveReport {
    let report = report(registry: registry)
    guard let link = core.running, link.silence == nil,
      // A process that does not tell its status in time tells nothing else, either.
      let status = await wholeStatus(link)
    else { return LiveReport(report: report) }
    var full = await withAddresses(report, link)
    if !full.forwards.isEmpty { full.forwards = await forwards.list() }
    return LiveReport(report: full, status: status)
  }

  private static let mostPorts = 4096

  /// Asks for the status, and for the ports that do not fit into one answer; nil when the first does not come.
  func wholeStatus(_ link: HostLink) async -> HostStatus? {
    guard case .status(var whole)? = try? await link.ask(.status) else { return nil }
    // As many as a network has; the process may be anybody's.
    while whole.hasMorePorts == true, let last = whole.ports.last,
      whole.ports.count < Self.mostPorts
    {
      whole.hasMorePorts = nil
      guard case .status(let next)? = try? await link.ask(.statusOfPorts(after: last.id)),
        !next.ports.isEmpty
      else { break }
      whole.ports += next.ports
      whole.hasMorePorts = next.hasMorePorts
    }
    return whole
  }

  /// The network does not end for want of guests until `endQuestion`; its grace period begins anew then.
  private func beginQuestion() {
    demand.questions += 1
    considerStopping()
  }

  private func endQuestion() {
    demand.questions -= 1
    considerStopping()
  }

  /// Has the network stay while `body` asks its process something.
  func whileHeld<Value>(
    _ body: () async throws(ErrorReport) -> Value
  ) async throws(ErrorReport) -> Value {
    beginQuestion()
    defer { endQuestion() }
    return try await body()
  }

  /// Asks the network's DNS plugin; starts the network if need be.
  func ask(_ question: DNSLookup) async throws(ErrorReport) -> DNSLookupReport {
    let spec = try question.spec()
    return try await whileHeld { () async throws(ErrorReport) in
      let link = try await whenRunning().value()
      switch try await core.ask(link, .resolve(spec)) {
      case .resolved(let resolved):
        return DNSLookupReport(
          message: resolved.message, milliseconds: resolved.milliseconds, source: resolved.source)
      default: throw core.report(.internal, "no answer came")
      }
    }
  }
}

/// A report, and what its `live` is made of: with a thousand ports that takes longer than the loop may stand still.
struct LiveReport: Sendable {
  var report: NetworkReport
  var status: HostStatus?

  /// [any thread]
  var whole: NetworkReport {
    var report = report
    report.live = status?.json
    if let ipv6 = report.live?["plugin"]?["ipv6"], let network = ipv6["network"]?.string {
      report.ipv6 = IPv6Report(network: network, gateway: ipv6["gateway"]?.string)
    }
    return report
  }
}

extension HostStatus {
  /// As JSON; what a plugin does not say is null.
  var json: JSONValue? {
    guard case .object(var object)? = try? JSONText.value(of: self) else { return nil }
    for key in ["plugin", "dnsPlugin", "dns"] where object[key] == nil { object[key] = .null }
    return .object(object)
  }
}
