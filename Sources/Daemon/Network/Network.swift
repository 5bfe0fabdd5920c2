// SPDX-License-Identifier: Apache-2.0
//
// Network: one network as the supervisor sees it, running or not.
//
// Holds what outlives the network's process: listening sockets, guests' descriptors, the journal, forwards, each in a
// part of its own. The first guest starts the process, the last one leaving stops it after a grace period; a process that
// dies is started again and given everything back. When that happens is for NetworkLife to say; what is done then is in
// Network+Life.swift.
// Loop thread.

import HostProtocol
import Logging
import Platform

final class Network {
  /// Who wants the network to run though no guest is there, and whether it still may.
  struct Demand {
    /// `network start`: until `network stop`.
    var isPinned = false
    /// Instances that are up and want it to run.
    var holders: Set<String> = []
    /// Questions to its DNS, and requests of the like, that are under way.
    var questions = 0
    /// No longer served: it stops and never starts again.
    var isRetired = false

    var isHeld: Bool { isPinned || !holders.isEmpty || questions > 0 }
  }

  struct Waiting {
    /// For its process to run.
    var forProcess: [Promise<HostLink, ErrorReport>] = []
    /// For it to come to rest.
    var forRest: [Promise<Void, Never>] = []
  }

  /// What is told of its past.
  struct Record {
    var lastExit: ExitReport?
    /// What plugins of the process say of themselves, the last of each.
    var pluginStates: [PluginStateReport] = []
    /// What went wrong with its files or for want of room, and holds on; by what it is about.
    var troubles: [NetworkTrouble: NetworkNote] = [:]
  }

  struct Timers {
    var retry: EventLoop.TimerID?
    var grace: EventLoop.TimerID?
  }

  let context: NetworkContext
  let core: NetworkCore
  /// As the configuration has it now.
  private(set) var wanted: NetworkConfiguration
  private(set) var configFile: String

  var life = NetworkLife<LaunchPlan, HostLink>()
  var demand = Demand()
  var timers = Timers()
  var waiting = Waiting()
  var record = Record()

  let listeners: NetworkListeners
  let uplink: Uplink
  let guests: GuestRegistry
  let forwards: ForwardRegistry
  let names: NameRegistry
  let leases: LeaseTracker
  let captures: CaptureRegistry
  var dns = NetworkDNS()
  var settling = NetworkSettling()
  /// What clients of `_ep.sock` call the ends of their forwards.
  var exposed = ExposedNames()

  init(_ configuration: NetworkConfiguration, configFile: String, context: NetworkContext) {
    self.wanted = configuration
    self.configFile = configFile
    self.context = context
    core = NetworkCore(
      name: configuration.name, loop: context.loop, actor: context.actor, home: context.home,
      logger: context.log)
    listeners = NetworkListeners(core, makeServer: context.endpointServer)
    uplink = Uplink(core, context.uplinks)
    guests = GuestRegistry(core)
    forwards = ForwardRegistry(core)
    names = NameRegistry(core)
    leases = LeaseTracker(core)
    captures = CaptureRegistry(core)
    listeners.network = self
    uplink.network = self
    forwards.network = self
    leases.network = self
    forwards.restore(context.keptForwards.forwards(of: configuration.name))
    names.setConfigured(configuration.hosts)
    listeners.follow(configuration)
  }

  // MARK: The configuration

  /// Makes the network's directory and sockets. A failure is the network's error; it may be tried again.
  func open() { listeners.open() }

  /// Takes over new settings: at once when at rest; when running what its plugin takes, and the rest at its next start.
  func configure(_ configuration: NetworkConfiguration, configFile: String) {
    let changed = wanted.settings != configuration.settings
    if changed { settling.forgetRefusals() }
    wanted = configuration
    self.configFile = configFile
    listeners.follow(configuration)
    if state == .failed {
      step(.configured)
      open()
    } else if changed {
      step(.configured)
    }
    names.setConfigured(configuration.hosts)
    // Whoever comes next gets what the configuration says now.
    if changed, needsStart, state == .running, isIdle {
      return stop("its configuration has changed")
    }
    switch state {
    case .running: change(options: changed)
    case .starting:
      // It has the settings from before. One that is yet to start has them from the start.
      settling.begin()
      let started = whenRunning()
      core.begin { [self] in
        if (try? await started.value()) != nil { change(options: changed) }
        endSettling()
      }
    default: break
    }
  }

  private func change(options changed: Bool) {
    if changed, needsStart { reconfigure() }
    updateDNS()
  }

  /// More than the DNS differs from what runs.
  var needsStart: Bool {
    guard let active else { return false }
    return active.network.settings.withDNS(of: asked.settings) != asked.settings
  }

  /// Stops serving for good.
  /// - Returns: kept when its process is gone.
  func retire(_ reason: String) -> Promise<Void, Never> {
    demand.isRetired = true
    forwards.retire()
    listeners.close()
    dismissGuests(reason)
    return end(reason)
  }

  /// Nobody is there who would notice its end.
  private var isIdle: Bool { guests.isEmpty && waiting.forProcess.isEmpty && !demand.isHeld }

  /// The process runs with other settings than the configuration has.
  var isChanged: Bool {
    guard let active else { return false }
    return active.network.settings != asked.settings
  }
}

extension Network {
  var name: String { core.name }
  var state: NetworkPhase { life.state.phase }
  var lastExit: ExitReport? { record.lastExit }
  /// What the process runs with, or is about to.
  var active: LaunchPlan? { life.state.plan }
  /// The process, however far it is.
  var link: HostLink? { life.state.process }

  func log(_ level: Logger.Level, _ text: String) { core.log(level, text) }
}
