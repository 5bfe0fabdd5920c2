// SPDX-License-Identifier: Apache-2.0
//
// What the control API asks of the supervisor. Loop thread; answers come later, exactly once.

import HostProtocol
import Platform

extension Supervisor {
  func network(_ name: String) throws(ErrorReport) -> Network {
    if let network = networks[name] { return network }
    let nearest = Identifier.nearest(to: name, among: networks.keys.sorted())
    let hint =
      nearest.map { "did you mean `\($0)`?" }
      ?? Plural.there(networks.keys.sorted())
    let remedy = creation(of: name).map { ". Make it:  \($0)" } ?? ""
    throw ErrorReport(
      code: HostError.Code.notFound.rawValue,
      message: "there is no network `\(name)`: \(hint)\(remedy)")
  }

  /// For a network of Lima's default file.
  private func creation(of network: String) -> String? {
    #if os(Linux)
      let isLinux = true
    #else
      let isLinux = false
    #endif
    return CreationCommand.ofDefault(
      network, hasFile: configuration.current.present, isLinux: isLinux,
      command: ShellWord.quoted(options.installation.executable), home: options.homeWords)
  }

  func status(_ answer: @escaping (StatusReport) -> Void) {
    networkReports { [self] reports in
      answer(
        StatusReport(
          version: options.version, pid: CurrentProcess.id, home: options.home.path,
          started: started,
          config: ConfigReport(
            file: options.configFile, present: configuration.current.present,
            loaded: configuration.loaded, error: configuration.error),
          pluginDirectories: plugins.directories.filter { !$0.builtin }.map(\.path),
          builtinPluginDirectory: options.installation.pluginDirectory, networks: reports,
          warnings: configuration.current.warnings.map { $0.text(file: configuration.current.file) }
            + (plugins.registry?.warnings ?? []) + troubles,
          notes: networks.values.sorted { $0.name < $1.name }.flatMap(\.troubleNotes)))
    }
  }

  func networkReports(_ answer: @escaping ([NetworkReport]) -> Void) {
    plugins.refresh { [self] registry in
      answer(networks.values.sorted { $0.name < $1.name }.map { $0.report(registry: registry) })
    }
  }

  func networkReport(
    _ name: String, _ answer: @escaping (Result<LiveReport, ErrorReport>) -> Void
  ) {
    plugins.refresh { [self] registry in
      do throws(ErrorReport) {
        try network(name).liveReport(registry: registry) { answer(.success($0)) }
      } catch {
        answer(.failure(error))
      }
    }
  }

  func pluginsReport(_ answer: @escaping (PluginsReport) -> Void) {
    plugins.refresh { answer($0.report) }
  }

  /// The network runs from now on, with or without guests.
  func startNetwork(
    _ name: String, _ answer: @escaping (Result<NetworkReport, ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) { network in
      let wasPinned = network.demand.isPinned
      network.demand.isPinned = true
      network.whenRunning { [self] result in
        switch result {
        case .success:
          answer(.success(network.report(registry: plugins.registry)))
        case .failure(let error):
          // One that waits for its interface goes on to.
          network.demand.isPinned = wasPinned && network.state == .restarting
          answer(.failure(error))
        }
      }
    }
  }

  func stopNetwork(_ name: String, _ answer: @escaping (Result<NetworkReport, ErrorReport>) -> Void)
  {
    onNetwork(name, answer) { network in
      network.stop("network stop") { [self] in
        answer(.success(network.report(registry: plugins.registry)))
      }
    }
  }

  func forwards(_ name: String, _ answer: @escaping (Result<[Forward], ErrorReport>) -> Void) {
    onNetwork(name, answer) { $0.forwards.list { answer(.success($0)) } }
  }

  func addForward(
    _ name: String, _ forward: Forward, _ answer: @escaping (Result<Forward, ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) {
      $0.forwards.add(forward, keeps: forward.temporary != true, answer: answer)
    }
  }

  func removeForward(
    _ name: String, _ forward: Forward, _ answer: @escaping (Result<Void, ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) { $0.forwards.remove(forward, answer: answer) }
  }

  func leases(_ name: String, _ answer: @escaping (Result<[LeaseReport], ErrorReport>) -> Void) {
    onNetwork(name, answer) { $0.leases.list(answer) }
  }

  /// Of all running networks; one that fails to answer is left out.
  func allLeases(_ answer: @escaping ([LeaseReport]) -> Void) {
    let all = networks.values.sorted { $0.name < $1.name }
    var found: [String: [LeaseReport]] = [:]
    var left = all.count
    guard left > 0 else { return answer([]) }
    for network in all {
      network.leases.list { result in
        if case .success(let leases) = result { found[network.name] = leases }
        left -= 1
        if left == 0 { answer(all.flatMap { found[$0.name] ?? [] }) }
      }
    }
  }

  func ask(
    _ name: String, _ question: DNSLookup,
    _ answer: @escaping (Result<DNSLookupReport, ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) { $0.ask(question, answer: answer) }
  }

  func dnsCache(
    _ name: String, _ which: DNSCacheSelection,
    _ answer: @escaping (Result<[DNSCacheReport], ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) { $0.listDNSCache(which, answer: answer) }
  }

  func flushDNSCache(
    _ name: String, _ which: DNSCacheSelection,
    _ answer: @escaping (Result<DNSFlushReport, ErrorReport>) -> Void
  ) {
    onNetwork(name, answer) { $0.flushDNSCache(which, answer: answer) }
  }

  /// Has a network answer `set` by itself, in place of what the same owner had before; an empty set withdraws it. Kept
  /// while the daemon runs, whatever becomes of the network's process.
  package func setNames(_ name: String, _ set: NameSet) throws(ErrorReport) {
    try network(name).names.set(set)
  }

  /// Takes over `fd`.
  func startCapture(
    _ name: String, fd: Int32, snapLength: Int,
    _ answer: @escaping (Result<UInt64, ErrorReport>) -> Void
  ) {
    do throws(ErrorReport) {
      try network(name).captures.add(fd: fd, snapLength: snapLength, answer: answer)
    } catch {
      Descriptor.close(fd)
      answer(.failure(error))
    }
  }

  private func onNetwork<Value>(
    _ name: String, _ answer: (Result<Value, ErrorReport>) -> Void, _ body: (Network) -> Void
  ) {
    do throws(ErrorReport) { body(try network(name)) } catch { answer(.failure(error)) }
  }
}
