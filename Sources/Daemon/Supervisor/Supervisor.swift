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
  /// This thread, for what follows from answers.
  let actor: LoopActor
  /// How the control API's threads reach this one.
  package let bridge: LoopBridge
  let plugins: PluginCatalog
  var networks: [String: Network] = [:]
  /// Networks the configuration no longer has, until they have stopped.
  var leaving: [Network] = []
  let configuration: ConfigurationKeeper
  var started = WallClock.timestamp()

  private(set) lazy var instances = Instances(self)
  /// `lima-netd reload`, `stop` and `restart`.
  let service = ServiceRequests()
  /// `lima-netd upgrade`.
  let upgrades = Upgrades()
  /// What the program before this one has handed over, until all of it is taken.
  var handover: Handover?

  let context: NetworkContext
  let switchPorts: OVSPorts
  private let inspector: PluginInspector
  let servers: HTTPServers
  let listeners: DaemonListeners
  private var socketWatch: SocketWatch?
  /// Why what was removed cannot be made again, as it was told last.
  private var socketTrouble: String?
  var shuttingDown = false

  /// - Parameter loop: runs on the thread that calls this, and `start`.
  package init(options: ServeOptions, loop: EventLoop, log: Logger) {
    self.options = options
    self.loop = loop
    self.log = log
    let actor = LoopActor.running(loop)
    self.actor = actor
    let bridge = LoopBridge(actor)
    self.bridge = bridge
    listeners = DaemonListeners(home: options.home, loop: loop, log: log)
    configuration = ConfigurationKeeper(
      file: options.configFile, mayBeMissing: options.configFile == options.home.configFile,
      loop: loop, log: log,
      notify: { bridge.submit { $0.configuration.collect() } })
    let inspector = PluginInspector(executable: options.installation.hostExecutable, loop: loop)
    self.inspector = inspector
    plugins = PluginCatalog(
      directories: [], asRoot: CurrentProcess.isRoot, log: log, actor: actor,
      after: { loop.schedule(after: $0, $1) }, inspect: inspector.inspect)
    servers = HTTPServers(log: log)
    let switchPorts = OVSPorts(loop: loop, actor: actor, file: options.home.switchPortsFile) {
      log.notice("\($0)")
    }
    self.switchPorts = switchPorts
    let guestIDs = GuestIDs()
    context = NetworkContext(
      loop: loop, actor: actor, home: options.home,
      hostExecutable: options.installation.hostExecutable,
      gracePeriod: options.gracePeriod, log: log, plugins: plugins, guestIDs: guestIDs,
      endpointServer: { [servers, bridge] in
        servers.endpoint(EndpointRoutes(network: $0, bridge: bridge))
      },
      rest: Rest(loop: loop),
      uplinks: UplinkMakers(
        taps: HostTapMaker(
          loop: loop, helper: options.installation.tapHelper, ports: switchPorts,
          home: options.home.path),
        vmnet: Self.vmnet(loop, options.home, log), newID: { [guestIDs] in guestIDs.next() },
        command: options.installation.executable, homeWords: options.homeWords),
      peers: PeerMap(), limaBridges: LimaBridges(),
      keptForwards: KeptForwards(path: options.home.forwardsFile) { log.warning("\($0)") })
    context.peers.nodes = { [weak self] in
      let all = self.map { $0.leaving + Array($0.networks.values) } ?? []
      return Dictionary(all.map { ($0.name, $0.peerNode) }, uniquingKeysWith: { $1 })
    }
    configuration.onChange = { [weak self] in self?.apply($0) }
    configuration.onBegin = { [service] in service.expect($0) }
    configuration.onOutcome = { [weak self] in self?.reread($0) }
    // Something is asked.
    loop.onWake = { [rest = context.rest] in rest.disturb() }
    bridge.open(self)
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
    let first = try handover?.state.configuration.configuration ?? configuration.load()
    try Files.makeDirectory(options.home.path, mode: 0o755)
    // Somebody else may have been there first.
    if let problem = HomeTrust().problem(home: options.home) { throw ServeError.home(problem) }
    try Files.makePrivateDirectory(options.home.networksDirectory)
    if let handover {
      listeners.resumeLock(handover)
    } else {
      try listeners.takeLock(patience: 5_000_000_000)
    }
    do {
      try afterLock()
      // Before there is anything that could be removed.
      socketWatch = SocketWatch(loop: loop) { [weak self] in self?.renewSockets() }
      watchSockets()
      switchPorts.start()
      // Before the networks' own sockets: who sees one of those may connect to these.
      try listeners.open(bridge: bridge, servers: servers) {
        [weak self] name throws(ErrorReport) in
        guard let self else { throw ServiceRequests.stopping }
        return try network(name)
      }
      context.keptForwards.load()
      configuration.take(first)
      resumeNetworks()
      instances.restore()
      finishHandover()
    } catch {
      closeSockets()
      throw error
    }
    log.info(
      "serving \(options.home.path): networks \(networks.keys.sorted().joined(separator: ", "))")
    inspectPlugins()
    validateSoon()
    configuration.watch(since: stamp)
    context.rest.disturb()
  }

  // MARK: Configuration

  /// SIGHUP: reads the file again, which takes a moment. A bad one is told, and what holds stays.
  package func reload() {
    guard !shuttingDown else { return }
    configuration.reload()
  }

  private func reread(_ outcome: ConfigReader.Outcome) {
    let before = configuration.current
    let reading = service.begin()
    configuration.hold(outcome)
    inspectPlugins()
    // resolv.conf and routes may have changed, too: that is when people send SIGHUP.
    for network in networks.values { network.core.running?.send(.networkChanged) }
    tellOutcome(since: before, of: reading)
  }

  /// Known early, so that `status` and the first guest need not wait, and that a network which cannot
  /// start is told of before one comes.
  private func inspectPlugins() {
    actor.begin { [self] in
      let registry = await plugins.refresh()
      // A network that a guest waits for starts first.
      loop.later { [weak self] in self?.warnOfUnstartable(registry) }
    }
  }

  private func warnOfUnstartable(_ registry: Registry) {
    for (_, network) in networks.sorted(by: { $0.key < $1.key }) {
      network.warnIfUnstartable(registry: registry)
    }
  }

  /// What the plugins refuse of the file that was there at the start, as of one that is read again. The first guests come
  /// first, and a private daemon has one network's.
  private func validateSoon() {
    guard options.remedyHome == nil else { return }
    let usual = (try? NetworksTemplate.current.networks()) ?? []
    loop.schedule(after: Self.settling) { [weak self] in
      guard let self, !shuttingDown else { return }
      let own = networks.values.filter { network in
        var settings = network.wanted.settings
        settings.closedNetworks = []
        return !network.wanted.builtin && !usual.contains { $0.settings == settings }
      }
      actor.begin { [self] in await validate(own.map(\.name).sorted()) }
    }
  }

  /// One after the other: each is a process.
  private func validate(_ names: [String]) async {
    let registry = await plugins.refresh()
    for name in names where !shuttingDown {
      guard let network = networks[name] else { continue }
      network.validate(registry)
      await network.whenSettled().value()
    }
  }

  private static let settling: UInt64 = 500_000_000

  private func apply(_ new: Configuration) {
    for warning in new.warnings { log.warning("\(warning.text(file: new.file))") }
    context.uplinks.vmnet?.paths = new.paths
    context.limaBridges.varRun = new.paths.varRun
    plugins.directories = pluginDirectories(new)
    plugins.pinnedFiles = new.pinnedFiles
    let names = Set(new.networks.map(\.name))
    for (name, network) in networks where !names.contains(name) {
      networks.removeValue(forKey: name)
      remove(network)
    }
    var added: Set<String> = []
    for wanted in new.networks {
      if let network = networks[wanted.name] {
        network.configure(wanted, configFile: new.file)
      } else {
        // One of the same name may still be on its way out: its sockets are closed already.
        let network = Network(wanted, configFile: new.file, context: context)
        networks[wanted.name] = network
        handover?.prepare(network)
        network.open()
        added.insert(wanted.name)
      }
    }
    instances.networksCame(added)
    watchSockets()
  }

  // MARK: Sockets that somebody removes

  /// What status tells beside: files that cannot be written.
  var troubles: [String] {
    [context.keptForwards.trouble, instances.trouble, socketTrouble].compactMap { $0 }
  }

  private func watchSockets() {
    let home = options.home
    socketWatch?.add(
      [home.path, home.networksDirectory]
        + networks.values.filter(\.listeners.isOpen).map { home.networkDirectory($0.name) })
  }

  private func renewSockets() {
    guard !shuttingDown else { return }
    do {
      if let text = try listeners.renew() { log.warning("\(text)") }
      socketTrouble = nil
    } catch let error as ServeError {
      log.error("\(options.home.pidFile) was removed: \(error)")
      return shutdown("another daemon serves \(options.home.path)")
    } catch {
      let text = "the daemon's sockets were removed, and cannot be made again: \(error)"
      if text != socketTrouble { log.error("\(text)") }
      socketTrouble = text
    }
    for network in networks.values.sorted(by: { $0.name < $1.name }) { network.renewSockets() }
    watchSockets()
  }

  private func remove(_ network: Network) {
    log.notice("network \(network.name): no longer in the configuration")
    leaving.append(network)
    let gone = network.retire("it is no longer in the configuration")
    actor.begin { [self] in
      await gone.value()
      leaving.removeAll { $0 === network }
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

  // MARK: Ending

  /// Stops all networks, unlinks all sockets, then ends the loop.
  package func shutdown(_ reason: String) {
    guard !shuttingDown else { return }
    shuttingDown = true
    configuration.close()
    service.stops()
    log.notice("stopping: \(reason)")
    closeSockets(keepLock: true)
    let all = (Array(networks.values) + leaving).map { $0.retire("the daemon stops") }
    actor.begin { [self] in
      for gone in all { await gone.value() }
      await switchPorts.settle()
      finish()
    }
  }

  private func finish() {
    closeSockets()
    log.notice("stopped")
    bridge.close()
    // The end of the loop's turn: answers on their way are sent.
    loop.later { [loop] in loop.stop() }
  }

  private func closeSockets(keepLock: Bool = false) {
    socketWatch?.close()
    configuration.unwatch()
    listeners.close()
    guard !keepLock else { return }
    for network in networks.values { network.listeners.close() }
    listeners.releaseLock()
  }
}
