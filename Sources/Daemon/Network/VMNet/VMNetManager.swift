// SPDX-License-Identifier: Apache-2.0
//
// VMNetManager: the socket_vmnet of each network that needs one, on macOS: started by sudo in Lima's own words, up when
// somebody answers at its socket (its pid file is there before vmnet is), ended by pid file when the network rests.
// One that serves the socket already, Lima's or ours, is taken as it is.
//
// As Lima: five attempts with 1, 2, 4 and 8 s between them; an attempt that runs 30 s and does not answer is the last.
// A pid file may be old, and its number another program's by now: nobody is ended who does not run socket_vmnet.
//
// Invariants: one run a network at most; a run answers once; every wait is bounded. Loop thread.

import HostProtocol
import Platform

final class VMNetManager {
  private enum Phase {
    case folder
    case daemon
    /// One that somebody else started, and that does not answer yet.
    case foreign
  }

  private final class Run {
    let command: VMNetCommand
    /// The path of a socket that answers.
    let answer = Promise<String, VMNetError>()
    var attempt = 1
    var phase = Phase.folder
    var child: Int32?
    var since: UInt64 = 0

    init(_ command: VMNetCommand) { self.command = command }
  }

  static let attempts = 5
  static let poll: UInt64 = 500_000_000
  static let patience: UInt64 = 30_000_000_000
  private static let second: UInt64 = 1_000_000_000

  /// As the configuration has them now.
  var paths = NetworksPaths(.macOS())
  private let layers: VMNetLayers
  private let logFolder: String
  private let log: (String) -> Void
  private var runs: [String: Run] = [:]
  /// Those that answered, and that the network's end is to end.
  private var served: [String: VMNetCommand] = [:]
  /// Of `sudo`, until they are collected.
  private var children: Set<Int32> = []
  private var isReaping = false

  init(layers: VMNetLayers, logFolder: String, log: @escaping (String) -> Void) {
    self.layers = layers
    self.logFolder = logFolder
    self.log = log
  }

  func logs(_ network: String) -> (output: String, errors: String) {
    let base = "\(logFolder)/\(network)_socket_vmnet"
    return ("\(base).stdout.log", "\(base).stderr.log")
  }

  // MARK: Starting

  /// - Returns: the path of a socket that answers.
  func start(_ command: VMNetCommand) async throws(VMNetError) -> String {
    end(command.network, .stopped)
    if layers.answers(command.socket) {
      served[command.network] = command
      return command.socket
    }
    if case .bridged(interface: "") = command.mode { throw .noInterface }
    guard layers.exists(command.paths.socketVMNet) else {
      throw .notInstalled(command.paths.socketVMNet)
    }
    if let flaw = layers.flaw(command.paths) { throw .unsafe(flaw) }
    let run = Run(command)
    runs[command.network] = run
    begin(run)
    return try await run.answer.value()
  }

  private func begin(_ run: Run) {
    let command = run.command
    switch layers.readPidFile(command.pidFile) {
    case .unreadable(let why): return finish(run, .failure(.unreadable(command.pidFile, why)))
    case .pid(let pid) where isOurs(pid, command):
      // Lima has just started it, or it hangs.
      run.phase = .foreign
      run.since = layers.now()
      return wait(run)
    case .pid, .missing: break
    }
    makeFolder(run)
  }

  private func makeFolder(_ run: Run) {
    run.phase = .folder
    spawn(run, run.command.makeFolder)
  }

  private func spawn(_ run: Run, _ words: [String]) {
    run.since = layers.now()
    do throws(SystemError) {
      run.child = try layers.spawn(VMNetCommand.asRoot(words), logs(run.command.network))
    } catch {
      return failed(run, .spawn("\(error)"))
    }
    wait(run)
  }

  private func wait(_ run: Run) {
    layers.schedule(Self.poll) { [weak self, weak run] in
      guard let self, let run, runs[run.command.network] === run else { return }
      look(run)
    }
  }

  private func look(_ run: Run) {
    let command = run.command
    let errors = logs(command.network).errors
    if run.phase != .folder, layers.answers(command.socket) {
      log("network \(command.network): its socket_vmnet answers at \(command.socket)")
      return finish(run, .success(command.socket))
    }
    if let child = run.child, let status = layers.poll(child) {
      run.child = nil
      let said = layers.lastLine(errors)
      let words = said.isEmpty ? "\(status)" : said
      guard run.phase == .folder else {
        return failed(run, .ended(attempts: run.attempt, words, log: errors))
      }
      guard status.isSuccess else {
        return finish(run, .failure(.noFolder(command.paths.varRun, words)))
      }
      run.phase = .daemon
      return spawn(run, command.start)
    }
    if run.phase == .foreign, !isRunning(command) { return makeFolder(run) }
    guard layers.now() &- run.since < Self.patience else {
      stopByFile(command)
      return finish(run, .failure(.silent(command.socket, log: errors)))
    }
    wait(run)
  }

  private func failed(_ run: Run, _ error: VMNetError) {
    guard run.attempt < Self.attempts else { return finish(run, .failure(error)) }
    let pause = Self.second << UInt64(run.attempt - 1)
    log("network \(run.command.network): attempt \(run.attempt): \(error)")
    run.attempt += 1
    run.child = nil
    layers.schedule(pause) { [weak self, weak run] in
      guard let self, let run, runs[run.command.network] === run else { return }
      run.phase = .daemon
      spawn(run, run.command.start)
    }
  }

  private func finish(_ run: Run, _ result: Result<String, VMNetError>) {
    runs[run.command.network] = nil
    if let child = run.child {
      if case .failure = result { layers.kill(child) }
      collect(child)
    }
    if case .success = result { served[run.command.network] = run.command }
    run.answer.keep(result)
  }

  private func end(_ network: String, _ error: VMNetError) {
    if let run = runs[network] { finish(run, .failure(error)) }
  }

  // MARK: Stopping

  /// The network is at rest. Idempotent.
  func stop(_ network: String) {
    let command = runs[network]?.command ?? served[network]
    end(network, .stopped)
    served[network] = nil
    if let command { stopByFile(command) }
  }

  private func stopByFile(_ command: VMNetCommand) {
    switch layers.readPidFile(command.pidFile) {
    case .missing: return
    case .unreadable(let why):
      return log("network \(command.network): \(VMNetError.unreadable(command.pidFile, why))")
    case .pid(let pid):
      guard isOurs(pid, command) else {
        return log(
          "network \(command.network): \(command.pidFile) names process \(pid), which is "
            + (layers.program(pid).map { "\($0), no socket_vmnet: it is left alone" } ?? "gone"))
      }
      do throws(SystemError) {
        collect(try layers.spawn(VMNetCommand.asRoot(command.stop), nil))
      } catch {
        log("network \(command.network): its socket_vmnet cannot be stopped: \(error)")
      }
    }
  }

  private func isRunning(_ command: VMNetCommand) -> Bool {
    guard case .pid(let pid) = layers.readPidFile(command.pidFile) else { return false }
    return isOurs(pid, command)
  }

  private func isOurs(_ pid: Int32, _ command: VMNetCommand) -> Bool {
    guard let program = layers.program(pid) else { return false }
    let name = program.split(separator: "/").last ?? ""
    return program == command.paths.socketVMNet || name == "socket_vmnet"
  }

  // MARK: Children

  /// Waited for, so that none stays behind as a zombie: sudo lives as long as what it runs.
  private func collect(_ child: Int32) {
    children.insert(child)
    guard !isReaping else { return }
    isReaping = true
    reap()
  }

  private func reap() {
    children = children.filter { layers.poll($0) == nil }
    isReaping = !children.isEmpty
    guard isReaping else { return }
    layers.schedule(Self.second) { [weak self] in self?.reap() }
  }
}

extension VMNetCommand {
  /// Nil when the options name neither a gateway nor an interface.
  init?(network: String, mode: String, options: JSONObject, paths: NetworksPaths) {
    if mode == "bridged" {
      self.init(
        network: network, mode: .bridged(interface: options["interface"]?.string ?? ""),
        paths: paths)
      return
    }
    guard let text = options["gateway"]?.string, let gateway = IPv4Address(text) else { return nil }
    let mask = options["netmask"]?.string.flatMap { IPv4Address($0) } ?? IPv4Address(0xFFFF_FF00)
    guard let length = IPv4Subnet.prefixLength(ofMask: mask) else { return nil }
    // What Lima's comments promise, and its code leaves out.
    let last = IPv4Subnet(containing: gateway, prefixLength: length).lastHost
    let dhcpEnd = options["dhcpEnd"]?.string ?? last.description
    self.init(
      network: network,
      mode: .routed(
        mode: mode, gateway: gateway.description, dhcpEnd: dhcpEnd, mask: mask.description),
      paths: paths)
  }
}
