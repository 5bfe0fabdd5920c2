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
      pluginStates: pluginStates.isEmpty ? nil : pluginStates, live: nil)
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
  func liveReport(registry: Registry?, answer: @escaping (LiveReport) -> Void) {
    let report = report(registry: registry)
    guard let link = core.running, link.silence == nil else {
      return answer(LiveReport(report: report))
    }
    wholeStatus(link) { [weak self] status in
      // A process that does not tell its status in time tells nothing else, either.
      guard let self, status != nil else { return answer(LiveReport(report: report)) }
      withAddresses(report, link) { [weak self] report in
        guard let self, !report.forwards.isEmpty else {
          return answer(LiveReport(report: report, status: status))
        }
        forwards.list {
          var full = report
          full.forwards = $0
          answer(LiveReport(report: full, status: status))
        }
      }
    }
  }

  /// Asks for the status, and for the ports that do not fit into one answer; nil when the first does not come.
  func wholeStatus(_ link: HostLink, answer: @escaping (HostStatus?) -> Void) {
    link.request(.status) { [weak self] reply in
      guard case .success(.status(let status)) = reply else { return answer(nil) }
      guard let self else { return answer(status) }
      addPorts(to: status, link, answer)
    }
  }

  private static let mostPorts = 4096

  private func addPorts(
    to status: HostStatus, _ link: HostLink, _ answer: @escaping (HostStatus?) -> Void
  ) {
    // As many as a network has; the process may be anybody's.
    guard status.hasMorePorts == true, let last = status.ports.last,
      status.ports.count < Self.mostPorts
    else { return answer(status) }
    link.request(.statusOfPorts(after: last.id)) { [weak self] reply in
      var whole = status
      whole.hasMorePorts = nil
      guard case .success(.status(let next)) = reply, let self else { return answer(whole) }
      whole.ports += next.ports
      whole.hasMorePorts = next.ports.isEmpty ? nil : next.hasMorePorts
      addPorts(to: whole, link, answer)
    }
  }

  /// The network does not end for want of guests before it has answered; its grace period begins anew then.
  func held<Value>(_ answer: @escaping (Value) -> Void) -> (Value) -> Void {
    demand.questions += 1
    considerStopping()
    return { [weak self] value in
      answer(value)
      guard let self else { return }
      demand.questions -= 1
      considerStopping()
    }
  }

  /// Asks the network's DNS plugin; starts the network if need be.
  func ask(_ question: DNSLookup, answer: @escaping (Result<DNSLookupReport, ErrorReport>) -> Void)
  {
    let spec: ResolveSpec
    do throws(ErrorReport) { spec = try question.spec() } catch {
      return answer(.failure(error))
    }
    let answer = held(answer)
    whenRunning { [weak self] result in
      switch result {
      case .failure(let error): answer(.failure(error))
      case .success(let link):
        link.request(.resolve(spec)) { reply in
          guard let self else { return }
          switch reply {
          case .success(.resolved(let resolved)):
            answer(
              .success(
                DNSLookupReport(
                  message: resolved.message, milliseconds: resolved.milliseconds,
                  source: resolved.source)))
          case .success:
            answer(.failure(self.core.report(.internal, "no answer came")))
          case .failure(let error):
            answer(.failure(self.core.report(error)))
          }
        }
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
