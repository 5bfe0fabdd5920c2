// SPDX-License-Identifier: Apache-2.0
//
// Supervisor: the daemon. Owns the lock of a Lima home, the configuration, the networks and the two sockets of its own.
// Never loads a plugin: that is for the networks' processes.
// Loop thread; other threads reach it by LoopBridge.

import HostProtocol
import Logging
import Platform

package final class Supervisor {
  let options: ServeOptions
  let loop: EventLoop
  let log: Logger
  /// How the control API's threads reach this one.
  package let bridge: LoopBridge
  let plugins: PluginCatalog
  var networks: [String: Network] = [:]
  /// Networks the configuration no longer has, until they have stopped.
  var leaving: [Network] = []
  var configuration: Configuration
  var configLoaded = WallClock.timestamp()
  var configError: String?
  let started = WallClock.timestamp()

  private(set) lazy var instances = Instances(self)
  /// `lima-netd reload`, `stop` and `restart`.
  let service = ServiceRequests()

  private let context: NetworkContext
  private let switchPorts: OVSPorts
  private let inspector: PluginInspector
  private let servers: HTTPServers
  private var lock: Int32 = -1
  private var control: ControlListener?
  private var attach: AttachServer?
  private var watcher: ConfigWatcher?
  private var shuttingDown = false
  private var reader: ConfigReader?
  /// How often the file was read again, whatever came of it.
  private(set) var rereadings = 0
  /// Who waits for the file as it is now to hold.

  /// - Parameter loop: runs on the thread that calls this, and `start`.
  package init(options: ServeOptions, loop: EventLoop, log: Logger) {
    self.options = options
    self.loop = loop
    self.log = log
    bridge = LoopBridge(waker: loop.waker)
    configuration = ConfigDecoder.withoutFile(options.configFile)
    let inspector = PluginInspector(executable: options.installation.hostExecutable, loop: loop)
    self.inspector = inspector
    plugins = PluginCatalog(
      directories: [], asRoot: CurrentProcess.isRoot, log: log,
      after: { loop.schedule(after: $0, $1) },
      inspect: { inspector.inspect($0, answer: $1) })
    servers = HTTPServers(log: log)
    let switchPorts = OVSPorts(loop: loop, file: options.home.switchPortsFile) {
      log.notice("\($0)")
    }
    self.switchPorts = switchPorts
    context = NetworkContext(
      loop: loop, home: options.home, hostExecutable: options.installation.hostExecutable,
      gracePeriod: options.gracePeriod, log: log, plugins: plugins, guestIDs: GuestIDs(),
      servers: servers, bridge: bridge, rest: Rest(loop: loop),
      taps: HostTapMaker(
        loop: loop, helper: options.installation.tapHelper, ports: switchPorts,
        home: options.home.path),
      vmnet: Self.vmnet(loop, options.home, log), peers: PeerMap(), limaBridges: LimaBridges(),
      command: options.installation.executable,
      homeWords: options.homeWords)
    context.peers.networks = { [weak self] in
      self.map { $0.leaving + Array($0.networks.values) } ?? []
    }
    loop.onWake = { [weak self] in
      guard let self else { return }
      bridge.drain(self)
      context.rest.disturb()
    }
  }

  private static func vmnet(_ loop: EventLoop, _ home: LimaHome, _ log: Logger) -> VMNetManager? {
    #if os(macOS)
      VMNetManager(layers: .system(loop), logFolder: home.networksDirectory) { log.notice("\($0)") }
    #else
      nil
    #endif
  }

  // MARK: Starting

  /// Takes the home, reads the configuration and listens. Nothing is left behind when it throws.
  /// - Throws: `ServeError`, `ConfigError` or `SystemError`, each with a text for users.
  /// - Parameter afterLock: runs as soon as this process is the one that serves the home.
  package func start(afterLock: () throws -> Void = {}) throws {
    if let problem = options.home.problem { throw ServeError.home(problem) }
    if let problem = HomeTrust().problem(home: options.home) { throw ServeError.home(problem) }
    for directory in options.pluginDirectories {
      guard let info = try? Files.info(directory), info.kind == .directory else {
        throw ServeError.noPluginDirectory(directory)
      }
    }
    guard (try? Files.info(options.installation.hostExecutable))?.kind == .file else {
      throw ServeError.noHost(options.installation.hostExecutable)
    }
    let stamp = FileStamp(of: options.configFile)
    let configuration = try loadConfiguration()
    try Files.makeDirectory(options.home.path, mode: 0o755)
    try Files.makePrivateDirectory(options.home.networksDirectory)
    try takeLock()
    do {
      try afterLock()
      switchPorts.start()
      // Before the networks' own sockets: who sees one of those may connect to these.
      attach = try AttachServer(path: options.home.attachSocket, loop: loop, log: log) {
        [weak self] name throws(ErrorReport) in
        guard let self else {
          throw ErrorReport(
            code: HostError.Code.busy.rawValue, message: "the daemon stops")
        }
        return try network(name)
      }
      control = try ControlListener(
        path: options.home.controlSocket, loop: loop, bridge: bridge, servers: servers, log: log)
      apply(configuration)
      instances.restore()
    } catch {
      closeSockets()
      throw error
    }
    log.info(
      "serving \(options.home.path): networks \(networks.keys.sorted().joined(separator: ", "))")
    inspectPlugins()
    watchConfiguration(since: stamp)
    context.rest.disturb()
  }

  /// What others write into networks.yaml, as `limactl network create` does, holds at once. Without inotify it holds
  /// after SIGHUP.
  private func watchConfiguration(since stamp: FileStamp) {
    do {
      watcher = try ConfigWatcher(path: options.configFile, stamp: stamp, loop: loop) {
        [weak self] in self?.reload()
      }
    } catch {
      log.warning(
        "changes of \(options.configFile) are not noticed, send SIGHUP after one: \(error)")
    }
  }

  private func takeLock() throws {
    let path = options.home.pidFile
    guard let fd = try Files.openLocked(path, mode: 0o600) else {
      let pid = (try? Files.read(path, limit: 64)).map { String(decoding: $0, as: UTF8.self) } ?? ""
      throw ServeError.alreadyRunning(home: options.home.path, pid: pid.filter(\.isNumber))
    }
    lock = fd
    try Files.replace(fd, with: Array("\(CurrentProcess.id)\n".utf8))
  }

  // MARK: Configuration

  private func loadConfiguration() throws -> Configuration {
    try Configuration.loadTrusted(
      options.configFile, mayBeMissing: options.configFile == options.home.configFile)
  }

  /// SIGHUP, or the file changed: reads it again, which takes a moment. A bad one is told, and what holds stays.
  package func reload() {
    guard !shuttingDown else { return }
    watcher?.note(FileStamp(of: options.configFile))
    let reader =
      self.reader ?? ConfigReader { [bridge] in bridge.submit { $0.configurationWasRead() } }
    self.reader = reader
    let outcome = reader.begin(
      options.configFile, mayBeMissing: options.configFile == options.home.configFile,
      before: configuration)
    service.expect(reader.outstanding)
    if let outcome { reread(outcome) }
  }

  private func configurationWasRead() {
    for outcome in reader?.take() ?? [] where !shuttingDown { reread(outcome) }
  }

  private func reread(_ outcome: ConfigReader.Outcome) {
    rereadings += 1
    let before = (configuration, networks.mapValues(\.state))
    defer { service.reread(reloadReport(since: before.0, states: before.1)) }
    do {
      apply(try outcome.get())
      configError = nil
      configLoaded = WallClock.timestamp()
      log.notice(
        "configuration reread: \(configuration.present ? options.configFile : "no file, built-in networks")"
      )
    } catch {
      configError = "\(error)"
      log.error("the configuration is refused, the one before stays:\n\(error)")
    }
    inspectPlugins()
    // resolv.conf and routes may have changed, too: that is when people send SIGHUP.
    for network in networks.values where network.state == .running {
      network.link?.request(.networkChanged)
    }
  }

  /// Known early, so that `status` and the first guest need not wait, and that a network which cannot
  /// start is told of before one comes.
  private func inspectPlugins() {
    plugins.refresh { [weak self] registry in
      // A network that a guest waits for starts first.
      self?.loop.later { self?.warnOfUnstartable(registry) }
    }
  }

  private func warnOfUnstartable(_ registry: Registry) {
    for (_, network) in networks.sorted(by: { $0.key < $1.key }) {
      network.warnIfUnstartable(registry: registry)
    }
  }

  private func apply(_ new: Configuration) {
    configuration = new
    for warning in new.warnings { log.warning("\(warning.text(file: new.file))") }
    context.vmnet?.paths = new.paths
    context.limaBridges.varRun = new.paths.varRun
    plugins.directories = pluginDirectories(new)
    plugins.pinnedFiles = Self.pinnedFiles(new)
    let names = Set(new.networks.map(\.name))
    for (name, network) in networks where !names.contains(name) {
      networks.removeValue(forKey: name)
      remove(network)
    }
    for wanted in new.networks {
      if let network = networks[wanted.name] {
        network.configure(wanted, configFile: new.file)
      } else {
        // One of the same name may still be on its way out: its sockets are closed already.
        let network = Network(wanted, configFile: new.file, context: context)
        networks[wanted.name] = network
        network.open()
      }
    }
  }

  private func remove(_ network: Network) {
    log.notice("network \(network.name): no longer in the configuration")
    leaving.append(network)
    network.retire("it is no longer in the configuration") { [weak self] in
      self?.leaving.removeAll { $0 === network }
      Files.removeDirectory(network.context.home.networkDirectory(network.name))
    }
  }

  private func pluginDirectories(_ configuration: Configuration) -> [PluginDirectory] {
    let own = (options.pluginDirectories + configuration.pluginDirectories).map {
      PluginDirectory(path: $0, builtin: false)
    }
    var seen: Set<String> = []
    let all = own + options.installation.pluginDirectories()
    return all.filter { seen.insert($0.path).inserted }
  }

  private static func pinnedFiles(_ configuration: Configuration) -> [String] {
    let pins = configuration.networks.flatMap { [$0.settings.plugin, $0.settings.dns] }
    return Set(
      pins.compactMap { pin in
        if case .some(.file(let path)) = pin { return path }
        return nil
      }
    ).sorted()
  }

  // MARK: Ending

  /// Stops all networks, unlinks all sockets, then ends the loop.
  package func shutdown(_ reason: String) {
    guard !shuttingDown else { return }
    shuttingDown = true
    reader?.close()
    service.stops()
    log.notice("stopping: \(reason)")
    closeSockets(keepLock: true)
    let all = Array(networks.values) + leaving
    var left = all.count
    func oneLess() {
      left -= 1
      if left == 0 { switchPorts.settle { self.finish() } }
    }
    guard left > 0 else { return finish() }
    for network in all { network.retire("the daemon stops", done: oneLess) }
  }

  private func finish() {
    closeSockets()
    log.notice("stopped")
    // The end of the loop's turn: answers on their way are sent.
    loop.later { [loop] in loop.stop() }
  }

  private func closeSockets(keepLock: Bool = false) {
    watcher?.close()
    watcher = nil
    control?.close()
    control = nil
    attach?.close()
    attach = nil
    guard !keepLock else { return }
    for network in networks.values { network.closeSockets() }
    if lock >= 0 {
      Files.remove(options.home.pidFile, openAs: lock)
      Descriptor.close(lock)
      lock = -1
    }
  }
}

/// Why `serve` cannot begin.
package enum ServeError: Error, Sendable, Hashable, CustomStringConvertible {
  case alreadyRunning(home: String, pid: String)
  case noPluginDirectory(String)
  case noHost(String)
  /// No home at which sockets can be.
  case home(String)

  package var description: String {
    switch self {
    case .alreadyRunning(let home, let pid):
      let who = pid.isEmpty ? "" : " (process \(pid))"
      return
        "a lima-netd serves \(home) already\(who): stop it, or give another home with --lima-home"
    case .noPluginDirectory(let path):
      return "--plugin-dir \(path): there is no such directory"
    case .noHost(let path):
      return "\(path) is missing: it has to lie beside lima-netd, or in ../libexec/lima-netd"
    case .home(let problem):
      return problem
    }
  }
}
