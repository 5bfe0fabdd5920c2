// SPDX-License-Identifier: Apache-2.0
//
// What the control API asks of the supervisor. Loop thread.

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

  func status() async -> StatusReport {
    let reports = await networkReports()
    return StatusReport(
      version: options.version, pid: CurrentProcess.id, home: options.home.path, started: started,
      config: ConfigReport(
        file: options.configFile, present: configuration.current.present,
        loaded: configuration.loaded, error: configuration.error),
      pluginDirectories: plugins.directories.filter { !$0.builtin }.map(\.path),
      builtinPluginDirectory: options.installation.pluginDirectory, networks: reports,
      warnings: configuration.current.warnings.map { $0.text(file: configuration.current.file) }
        + (plugins.registry?.warnings ?? []) + troubles,
      notes: sortedNetworks.flatMap(\.troubleNotes))
  }

  private var sortedNetworks: [Network] { networks.values.sorted { $0.name < $1.name } }

  func networkReports() async -> [NetworkReport] {
    let registry = await plugins.refresh()
    return sortedNetworks.map { $0.report(registry: registry) }
  }

  func networkReport(_ name: String) async throws(ErrorReport) -> LiveReport {
    let registry = await plugins.refresh()
    return try await network(name).liveReport(registry: registry)
  }

  func pluginsReport() async -> PluginsReport { await plugins.refresh().report }

  /// The network runs from now on, with or without guests.
  func startNetwork(_ name: String) async throws(ErrorReport) -> NetworkReport {
    let network = try network(name)
    let wasPinned = network.demand.isPinned
    network.demand.isPinned = true
    do throws(ErrorReport) { _ = try await network.whenRunning().value() } catch {
      // One that waits for its interface goes on to.
      network.demand.isPinned = wasPinned && network.state == .restarting
      throw error
    }
    return network.report(registry: plugins.registry)
  }

  func stopNetwork(_ name: String) async throws(ErrorReport) -> NetworkReport {
    let network = try network(name)
    await network.end("network stop").value()
    return network.report(registry: plugins.registry)
  }

  func forwards(_ name: String) async throws(ErrorReport) -> [Forward] {
    try await network(name).forwards.list()
  }

  func addForward(_ name: String, _ forward: Forward) async throws(ErrorReport) -> Forward {
    try await network(name).forwards.add(forward, keeps: forward.temporary != true)
  }

  func removeForward(_ name: String, _ forward: Forward) async throws(ErrorReport) {
    try await network(name).forwards.remove(forward)
  }

  func leases(_ name: String) async throws(ErrorReport) -> [LeaseReport] {
    try await network(name).leases.list()
  }

  /// Of all running networks; one that fails to answer is left out.
  func allLeases() async -> [LeaseReport] {
    // All are asked at once: one that hangs is no matter of the others.
    let questions = sortedNetworks.map { network in
      let answer = Promise<[LeaseReport], Never>()
      actor.begin { answer.keep(.success((try? await network.leases.list()) ?? [])) }
      return answer
    }
    var all: [LeaseReport] = []
    for answer in questions { all += await answer.value() }
    return all
  }

  func ask(_ name: String, _ question: DNSLookup) async throws(ErrorReport) -> DNSLookupReport {
    try await network(name).ask(question)
  }

  func dnsCache(
    _ name: String, _ which: DNSCacheSelection
  ) async throws(ErrorReport) -> [DNSCacheReport] {
    try await network(name).listDNSCache(which)
  }

  func flushDNSCache(
    _ name: String, _ which: DNSCacheSelection
  ) async throws(ErrorReport) -> DNSFlushReport {
    try await network(name).flushDNSCache(which)
  }

  /// Has a network answer `set` by itself, in place of what the same owner had before; an empty set withdraws it. Kept
  /// while the daemon runs, whatever becomes of the network's process.
  package func setNames(_ name: String, _ set: NameSet) throws(ErrorReport) {
    try network(name).names.set(set)
  }

  func guests(_ name: String) async throws(ErrorReport) -> [GuestDetail] {
    try await network(name).guestDetails()
  }

  func disconnect(_ guest: String, of name: String) async throws(ErrorReport) -> GuestDetail {
    try await network(name).disconnect(guest)
  }

  func rename(
    _ guest: String, of name: String, to new: String
  ) async throws(ErrorReport) -> GuestDetail {
    try await network(name).rename(guest, to: new)
  }

  /// Takes over `fd`.
  func startCapture(
    _ name: String, fd: Int32, snapLength: Int
  ) async throws(ErrorReport) -> UInt64 {
    let network: Network
    do throws(ErrorReport) { network = try self.network(name) } catch {
      Descriptor.close(fd)
      throw error
    }
    return try await network.captures.add(fd: fd, snapLength: snapLength)
  }

  /// Whether a guest, "192.168.104.3:22", accepts a connection within so many seconds. Connects again and again; a
  /// connection that succeeds is closed at once.
  /// - Parameter isGone: asked from time to time: nobody wants to know any more.
  func waitForPort(
    _ guest: String, of name: String, seconds: Int, unless isGone: @escaping () -> Bool
  ) async -> Bool {
    guard let network = networks[name] else { return false }
    let isOpen = Promise<Bool, Never>()
    var isOver = false
    let deadline = loop.schedule(after: UInt64(seconds) * 1_000_000_000) {
      isOver = true
      isOpen.keep(.success(false))
    }
    actor.begin { [weak network, self] in
      while !isOver, !isGone(), let there = network {
        if let fd = try? await there.connect(to: guest) {
          Descriptor.close(fd)
          return isOpen.keep(.success(true))
        }
        await pause(Self.portPause)
      }
      isOpen.keep(.success(false))
    }
    defer { loop.cancel(deadline) }
    return await isOpen.value()
  }

  private static let portPause: UInt64 = 250_000_000

  /// - Parameter time: ns.
  private func pause(_ time: UInt64) async {
    let over = Promise<Void, Never>()
    loop.schedule(after: time) { over.keep() }
    await over.value()
  }
}
