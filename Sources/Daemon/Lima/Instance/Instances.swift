// SPDX-License-Identifier: Apache-2.0
//
// Instances: those that are up, by name. They outlive the daemon: a file holds what to bring up again.
// Loop thread.

import HostProtocol
import Logging
import Platform

/// What instances ask of the daemon that they are up in.
protocol InstanceSurroundings: AnyObject {
  var home: LimaHome { get }
  var loop: EventLoop { get }
  var actor: LoopActor { get }
  var log: Logger { get }
  /// As the configuration has them now.
  var configuredNetworks: [NetworkConfiguration] { get }
  func knownNetwork(_ name: String) -> Network?
  /// [any thread] Has the loop call `Instances.collect`.
  var collectInstances: @Sendable () -> Void { get }
}

final class Instances {
  private unowned let daemon: any InstanceSurroundings
  var all: [String: Instance] = [:]
  /// Those that were up when the daemon ended, and cannot be now: their lima.yaml has mistakes or is away.
  private var lost: [String: Lost] = [:]
  private var lostTimer: EventLoop.TimerID?
  /// Why the file of those that are up is not as it should be; nil: it is.
  private(set) var trouble: String?
  /// Of those whose networks could not start.
  private var retries: [String: EventLoop.TimerID] = [:]
  private lazy var reader = InstanceReader(notify: daemon.collectInstances)

  /// Of the supervisor before this one, until they are up again.
  var handed: [String: InstanceState] = [:]

  private static let maximum = 256
  private static let retryInterval: UInt64 = 10_000_000_000
  /// ns between two looks whether a lima.yaml has changed.
  private static let lookInterval: UInt64 = 2_000_000_000

  /// What the file has of each.
  private struct Kept: Codable {
    var name: String
    var file: String
    var sshLocalPort: Int

    var request: InstanceRequest { InstanceRequest(path: file, name: name) }
  }

  private struct Lost {
    var kept: Kept
    var error: ErrorReport
    /// Of its lima.yaml, when it was tried last.
    var stamp: FileStamp
    var since: String
    /// Of the networks there were: no guest takes its name meanwhile.
    var reserved: [ReservedName]
  }

  init(_ daemon: any InstanceSurroundings) { self.daemon = daemon }

  // MARK: Requests

  /// Reads the file and brings the instance up. One that is up already comes out as the file has it now.
  func up(_ request: InstanceRequest) async throws(ErrorReport) -> InstanceReport {
    try await up(Self.read(request, home: daemon.home))
  }

  /// [any thread] What a request is about: three files that at their limits take longer than the loop may stand still.
  static func read(
    _ request: InstanceRequest, home: LimaHome
  ) -> Result<LimaYAMLFile, ErrorReport> {
    guard request.path.hasPrefix("/") else {
      return .failure(invalid("`\(request.path)` is not an absolute path"))
    }
    return Result { try LimaYAMLFile(path: request.path, name: request.name, home: home) }
      .mapError { invalid("\($0)") }
  }

  func up(
    _ read: Result<LimaYAMLFile, ErrorReport>
  ) async throws(ErrorReport) -> InstanceReport {
    let (file, plan) = try plan(read.get())
    let before = all[plan.identity.name]
    guard before != nil || all.count < Self.maximum else {
      throw ErrorReport(
        .limit,
        "\(all.count) instances are up already, as many as there may be: lima-netd instance down NAME"
      )
    }
    let port = try sshPort(plan, before: before)
    guard let before else { return try await start(add(plan, file: file, sshLocalPort: port)) }
    return try await follow(make(plan, file: file, sshLocalPort: port, before: before))
  }

  func down(_ name: String) throws(ErrorReport) {
    if all[name] == nil, lost.removeValue(forKey: name) != nil {
      keep()
      return daemon.log.notice("instance \(name): down, and not to be brought up again")
    }
    guard let instance = all.removeValue(forKey: name) else { throw unknown(name) }
    instance.end()
    keep()
    daemon.log.notice("instance \(name): down")
  }

  func report(_ name: String) throws(ErrorReport) -> InstanceReport {
    if let lost = lost[name] { return report(lost) }
    guard let instance = all[name] else { throw unknown(name) }
    return report(instance)
  }

  var reports: [InstanceReport] {
    (all.values.map(report) + lost.values.map(report)).sorted { $0.name < $1.name }
  }

  /// What is known without its lima.yaml.
  private func report(_ lost: Lost) -> InstanceReport {
    let kept = lost.kept
    let directory = kept.file.lastIndex(of: "/").map { String(kept.file[..<$0]) } ?? ""
    return InstanceReport(
      name: kept.name, directory: directory, file: kept.file, vmType: "", arch: "",
      hostname: "", sshLocalPort: kept.sshLocalPort, interfaces: [], nameservers: [],
      forwards: [], names: [:], warnings: [], since: lost.since, error: lost.error.message)
  }

  private func report(_ instance: Instance) -> InstanceReport {
    instance.report(
      mode: { self.daemon.knownNetwork($0)?.wanted.settings.mode }, others: listeners(but: instance)
    )
  }

  /// What all but one listen at.
  private func listeners(but one: Instance) -> [InstanceListener] {
    all.values.filter { $0 !== one }.sorted { $0.name < $1.name }.flatMap(\.listeners)
  }

  private func unknown(_ name: String) -> ErrorReport {
    let nearest = Identifier.nearest(to: name, among: (Array(all.keys) + lost.keys).sorted())
    let hint =
      nearest.map { "did you mean `\($0)`?" }
      ?? (all.isEmpty
        ? "none is up"
        : Plural.there(all.keys.sorted()))
    return ErrorReport(
      code: HostError.Code.notFound.rawValue, message: "no instance `\(name)` is up: \(hint)")
  }

  private static func invalid(_ text: String) -> ErrorReport {
    ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
  }

  // MARK: Up

  private func plan(_ file: LimaYAMLFile) throws(ErrorReport) -> (file: String, InstancePlan) {
    do {
      let networks = daemon.configuredNetworks
      return (
        file.path,
        try InstancePlan(
          file.yaml, identity: file.identity,
          context: .here(
            home: daemon.home, networks: networks, limaVersion: file.limaVersion))
      )
    } catch {
      throw Self.invalid("\(error)")
    }
  }

  private func start(_ instance: Instance) async throws(ErrorReport) -> InstanceReport {
    do throws(ErrorReport) { try await instance.begin() } catch {
      // Half an instance helps nobody.
      if all[instance.name] === instance {
        all[instance.name] = nil
        instance.end()
        keep()
      }
      throw error
    }
    return report(instance)
  }

  /// One that is up comes out as its file has it now; what was there before goes on if that cannot be.
  private func follow(_ instance: Instance) async throws(ErrorReport) -> InstanceReport {
    defer { instance.unprepare() }
    try await instance.prepare()
    // Another `up` or `down` may have come meanwhile: the last one to be done holds.
    all[instance.name]?.end(inFavourOf: instance)
    announce(instance)
    return try await start(instance)
  }

  private func make(
    _ plan: InstancePlan, file: String, sshLocalPort: Int, before: Instance? = nil
  ) -> Instance {
    let instance = Instance(plan: plan, file: file, sshLocalPort: sshLocalPort, before: before) {
      [unowned daemon] in daemon.knownNetwork($0)
    }
    if let state = handed.removeValue(forKey: instance.name) { instance.resume(state) }
    return instance
  }

  private func add(_ plan: InstancePlan, file: String, sshLocalPort: Int) -> Instance {
    let instance = make(plan, file: file, sshLocalPort: sshLocalPort)
    announce(instance)
    return instance
  }

  private func announce(_ instance: Instance) {
    let (name, plan) = (instance.name, instance.plan)
    all[name] = instance
    lost[name] = nil
    keep()
    daemon.log.notice(
      "instance \(name): up, on \(plan.interfaces.compactMap(\.network).joined(separator: ", "))")
    let conflicts = InstanceListener.conflicts(instance.listeners, listeners(but: instance))
    for warning in plan.warnings + conflicts {
      daemon.log.warning("instance \(name): \(warning)")
    }
  }

  /// The port of lima.yaml, the one that the instance has, or one that is free.
  private func sshPort(
    _ plan: InstancePlan, before: Instance?
  ) throws(ErrorReport) -> Int {
    if let before, plan.sshLocalPort == 0 || plan.sshLocalPort == before.sshLocalPort {
      return before.sshLocalPort
    }
    if plan.sshLocalPort == 0 {
      for _ in 0..<8 {
        if let port = try? LoopbackPort.free(), port != 22, !isTaken(port) { return port }
      }
      throw ErrorReport(
        code: HostError.Code.system.rawValue, message: "no TCP port of 127.0.0.1 is free")
    }
    do throws(SystemError) {
      try LoopbackPort.probe(plan.sshLocalPort)
    } catch {
      throw ErrorReport(
        code: HostError.Code.exists.rawValue,
        message: "ssh.localPort: 127.0.0.1:\(plan.sshLocalPort): \(error.errno)")
    }
    if isTaken(plan.sshLocalPort) {
      throw ErrorReport(
        code: HostError.Code.exists.rawValue,
        message: "ssh.localPort: \(plan.sshLocalPort) is another instance's")
    }
    return plan.sshLocalPort
  }

  /// Its forward may still wait for an address, and nobody listens.
  private func isTaken(_ port: Int) -> Bool { all.values.contains { $0.sshLocalPort == port } }

  // MARK: Keeping

  /// Sets `trouble`.
  private func keep() {
    let up = all.values.map {
      Kept(name: $0.name, file: $0.file, sshLocalPort: $0.sshLocalPort)
    }
    let kept = (up + lost.values.map(\.kept)).sorted { $0.name < $1.name }
    let path = daemon.home.instancesFile
    trouble = nil
    guard !kept.isEmpty else { return Files.remove(path) }
    do {
      try Files.write(JSONText.encode(kept, pretty: true) + [0x0a], to: path, mode: 0o600)
    } catch {
      let reason = (error as? SystemError).flatMap { FileTrouble($0) }?.message ?? "\(error)"
      trouble = "instances are not kept: \(reason)"
      daemon.log.warning("\(trouble ?? "")")
    }
  }

  /// Brings up what was up when the daemon ended.
  func restore() {
    let path = daemon.home.instancesFile
    guard Files.exists(path) else { return }
    guard let bytes = try? Files.read(path, limit: 1 << 20),
      let kept = try? JSONText.decode([Kept].self, from: bytes)
    else {
      return daemon.log.warning("\(path) makes no sense: no instance is brought up again")
    }
    for entry in kept.prefix(Self.maximum) {
      guard (1...65535).contains(entry.sshLocalPort), Identifier.isValid(entry.name) else {
        daemon.log.warning("\(path): an instance of it makes no sense, and is left out")
        continue
      }
      let stamp = FileStamp(of: entry.file)
      restore(entry, stamp, Self.read(entry.request, home: daemon.home))
    }
    watchLost()
  }

  private func restore(
    _ entry: Kept, _ stamp: FileStamp, _ read: Result<LimaYAMLFile, ErrorReport>
  ) {
    do throws(ErrorReport) {
      let (file, plan) = try plan(read.get())
      let port = plan.sshLocalPort == 0 ? entry.sshLocalPort : plan.sshLocalPort
      lost[entry.name] = nil
      retry(add(plan, file: file, sshLocalPort: port))
    } catch {
      if lost[entry.name]?.error.message != error.message {
        daemon.log.error(
          "instance \(entry.name) is not brought up again, until that is mended: \(error.message)")
      }
      lost[entry.name] = Lost(
        kept: entry, error: error, stamp: stamp,
        since: lost[entry.name]?.since ?? WallClock.timestamp(),
        reserved: lost[entry.name]?.reserved ?? reserve(entry))
    }
  }

  // MARK: Those that cannot be up

  /// Which networks it is on its lima.yaml does not tell: its name is its own on all of them.
  private func reserve(_ entry: Kept) -> [ReservedName] {
    let folder = entry.file.lastIndex(of: "/").map { String(entry.file[..<$0]) } ?? ""
    let identity = InstanceIdentity(
      name: entry.name, directory: (try? Files.realPath(folder)) ?? folder)
    let mac = identity.primaryMAC(machineID: MachineID.current)
    return daemon.configuredNetworks.compactMap { daemon.knownNetwork($0.name) }.map {
      ReservedName("instance \(entry.name), away", hostname: identity.hostname, mac: mac, on: $0)
    }
  }

  /// Looks again and again whether their files have changed.
  private func watchLost() {
    guard lostTimer == nil, !lost.isEmpty else { return }
    lostTimer = daemon.loop.schedule(after: Self.lookInterval) { [weak self] in
      guard let self else { return }
      lostTimer = nil
      tryLost { FileStamp(of: $0.kept.file) != $0.stamp }
      watchLost()
    }
  }

  private func tryLost(where isDue: (Lost) -> Bool) {
    for (name, entry) in lost where isDue(entry) {
      let stamp = FileStamp(of: entry.kept.file)
      lost[name]?.stamp = stamp
      daemon.actor.begin { [self] in
        let result: Result<LimaYAMLFile, ErrorReport>
        do throws(ErrorReport) {
          result = .success(try await reader.read(entry.kept.request, home: daemon.home))
        } catch {
          result = .failure(error)
        }
        // It may have been brought up or down meanwhile.
        guard let entry = lost[name] else { return }
        restore(entry.kept, stamp, result)
        watchLost()
      }
    }
  }

  /// What the reader's thread has read.
  func collect() { reader.collect() }

  /// These networks are in the configuration from now on: whoever is on one of them is told to it anew.
  func networksCame(_ names: Set<String>) {
    guard !names.isEmpty else { return }
    tryLost { _ in true }
    for instance in all.values.sorted(by: { $0.name < $1.name }) {
      let own = instance.plan.interfaces.compactMap(\.network)
      guard own.contains(where: names.contains) else { continue }
      if let first = own.first, names.contains(first) { instance.networkCame() }
      retry(instance)
    }
  }

  /// One that was up is not given up for a network that cannot start just now: a `limactl usernet` may hold it.
  private func retry(_ instance: Instance) {
    if let timer = retries.removeValue(forKey: instance.name) { daemon.loop.cancel(timer) }
    daemon.actor.begin { [self] in
      do throws(ErrorReport) { try await instance.begin() } catch {
        guard all[instance.name] === instance else { return }
        daemon.log.error("instance \(instance.name): \(error.message)")
        retries[instance.name] = daemon.loop.schedule(after: Self.retryInterval) {
          [weak self, weak instance] in
          guard let self, let instance, all[instance.name] === instance else { return }
          retries[instance.name] = nil
          retry(instance)
        }
      }
    }
  }
}
