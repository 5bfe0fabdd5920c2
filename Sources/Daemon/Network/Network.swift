// SPDX-License-Identifier: Apache-2.0
//
// Network: one network as the supervisor sees it, running or not.
//
// Holds what outlives the network's process: listening sockets, guests' descriptors, the journal, forwards. The first
// guest starts the process, the last one leaving stops it after a grace period; a process that dies is started again
// and given everything back.
//
//                 guest, start               host replies
//     stopped ───────────────► starting ───────────────► running ──┐
//        ▲  ▲                   │    ▲                     │       │ last guest left,
//        │  └──── failed ◄──────┘    │ delay over          │ dies  │ stop
//        │   cannot start            │                     ▼       │
//        │                       restarting ◄──────────────┘       │
//        └──────────────────────── stopping ◄──────────────────────┘
//
// Network+Host.swift has these transitions, +Guests the guests, +Sockets where they arrive, +Endpoint gvproxy's API,
// +Names, +Leases, +Forwards, +Captures and +Report the rest.
// Loop thread.

import HostProtocol
import Logging
import Platform

/// What all networks share.
struct NetworkContext {
  let loop: EventLoop
  let home: LimaHome
  let hostExecutable: String
  /// Nanoseconds a network without guests goes on.
  let gracePeriod: UInt64
  let log: Logger
  let plugins: PluginCatalog
  let guestIDs: GuestIDs
  let servers: HTTPServers
  let bridge: LoopBridge
  let rest: Rest
  let taps: HostTapMaker
  /// Where a network's host uplink is socket_vmnet's: macOS.
  let vmnet: VMNetManager?
  let peers: PeerMap
  let limaBridges: LimaBridges
  /// The command line's own file, and the home that root has to be told: for remedies.
  let command: String
  let homeWords: String
}

/// Numbers of guests, unique within the daemon, and how many it has.
final class GuestIDs {
  private var last: UInt64 = 0
  /// Guests of all networks whose descriptor the daemon keeps.
  var connected = 0

  /// Why the daemon takes no guest more, for want of descriptors; nil: it does.
  var whyFull: String? {
    guard let limit = CurrentProcess.descriptorLimit else { return nil }
    let most = DescriptorReserve.supervisedLinks(of: limit)
    guard connected >= most else { return nil }
    return
      "\(Plural.text(connected, "guest")) are connected to the daemon's networks, as many as it takes with \(limit) open files: "
      + DescriptorReserve.remedy
  }

  /// The network-hosts count their own guests from 2^32.
  func next() -> UInt64 {
    last = (last + 1) & 0xffff_ffff
    return last
  }
}

final class Network {
  typealias Waiter = (Result<HostLink, ErrorReport>) -> Void

  let name: String
  let context: NetworkContext
  let sockets: GuestSockets
  /// As the configuration has it now.
  var wanted: NetworkConfiguration
  var configFile: String

  var state = NetworkState.stopped
  var error: ErrorReport?
  /// What the running process was started with.
  var active: LaunchPlan?
  let unixListeners = UnixListeners()
  var link: HostLink?
  /// What its plugin has of the host, as long as the network is wanted.
  var tap: HeldTap?
  /// What is known against it.
  var tapTrouble: HostTapMaker.Trouble?
  /// Instead of it, where guests are on a network card.
  var cards: GuestCards?
  /// While it has, or waits for, an interface of the host's.
  var interfaces: InterfaceWatch?
  /// It is not running, or not again, for want of that.
  var lacksInterface = false
  /// Why, as the log has it already.
  var saidOfInterface: String?
  /// When it was last tried, ns, monotonic.
  var interfaceTriedAt: UInt64 = 0
  /// Why its process is being ended, where that is known.
  var endReason: String?
  /// The way to another daemon's network, where that is its uplink.
  var peer: PeerUplink?
  /// Counts starts, so that answers to an earlier one are recognised.
  var attempt = 0
  var backoff = Backoff()
  /// Of tries to get the host's interface back.
  var interfaceBackoff = Backoff()
  var restarts = 0
  var lastExit: ExitReport?
  var retryAt: String?
  var retryTimer: EventLoop.TimerID?
  var graceTimer: EventLoop.TimerID?
  /// `network start`: runs without guests, too, until `network stop`.
  var pinned = false
  /// Instances that are up and want it to run.
  var holders: Set<String> = []
  /// No longer served: it stops and never starts again.
  var retired = false
  /// A guest or a command came while the process was stopping.
  var startAgain = false
  /// Until then a network that failed is not started by guests that connect (they do so every second).
  var failedUntil: UInt64 = 0
  var waiters: [Waiter] = []
  /// Called when the network has come to rest, once each.
  var onStopped: [() -> Void] = []

  var journal: JournalSlots?
  var guests: [UInt64: Guest] = [:]
  /// Guests of the unixgram socket, whom the host tells apart.
  var unixgramGuests: [UInt64: GuestReport] = [:]
  /// Where they are. Outlives a process that dies: the next one is told, for a guest may have nothing to say.
  var unixgramAddresses: [UInt64: String] = [:]
  var forwards: [Forward] = []
  /// For whom, where somebody keeps them.
  var forwardOwners: [ExposedKey: String] = [:]
  var waitingForwards: [WaitingForward] = []
  /// Those that the process is asked for again just now.
  var forwardsTried: Set<ExposedKey> = []
  private(set) lazy var forwardRetry = ForwardRetry(loop: context.loop) { [weak self] in
    self?.retryForwards()
  }
  /// What clients of `_ep.sock` call the ends of theirs.
  var exposed: [ExposedKey: ExposedNames] = [:]
  /// By owner.
  var names: [String: NameSet] = [:]
  /// What the process has of them.
  var nameParts = NameParts()
  /// Added by clients of `_ep.sock`.
  var zones: [ZoneBody] = []
  var endpoint: EndpointListener?
  var endpointServer: HTTPServer?
  /// Files of Lima's own; for user-v2 networks only.
  var usernet: UsernetFiles?
  var keeper: UsernetKeeper?
  var keptLeases: [String: String] = [:]
  /// Of guests that were here once.
  var leasedAddresses: Set<String> = []
  /// Of those that have left.
  var absentAddresses: Set<String> = []
  var leaseObservers: [String: LeaseObserver] = [:]
  var leaseTimer: EventLoop.TimerID?
  var leaseInterval: UInt64 = 0
  var isAskingForLeases = false
  var leasesChangedMeanwhile = false
  var openTimer: EventLoop.TimerID?
  /// Why the DNS that the configuration wants is not the one that answers.
  var dnsError: ErrorReport?
  /// The DNS that goes on, and that a process which is started again begins with.
  var keptDNS: KeptDNS?
  /// What the process is changing its DNS to.
  var nextDNS: RegisteredPlugin?
  /// Counts changes of the DNS, so that answers to an earlier one are recognised.
  var dnsUpdate = 0
  /// What instances ask of the DNS, by owner.
  var resolverWishes: [String: ResolverWish] = [:]
  var captures: [UInt64: Capture] = [:]
  var nextCapture: UInt64 = 1

  init(_ configuration: NetworkConfiguration, configFile: String, context: NetworkContext) {
    self.name = configuration.name
    self.wanted = configuration
    self.configFile = configFile
    self.context = context
    names = Self.configuredNames(configuration)
    sockets = GuestSockets(
      paths: context.home.networkSockets(configuration.name), loop: context.loop)
    sockets.onGuest = { [weak self] transport, fd in self?.arrived(transport, fd) }
    sockets.onUnixgramFrame = { [weak self] in self?.unixgramFrame() }
    sockets.onComplaint = { [weak self] text in self?.log(.warning, text) }
    takeUsernet(configuration)
  }

  func log(_ level: Logger.Level, _ text: String) {
    // Reports for users name the network already.
    let prefix = "network \(name): "
    context.log.log(level: level, "\(text.hasPrefix(prefix) ? "" : prefix)\(text)")
  }

  static let socketError = HostError.Code.system.rawValue

  /// Stops serving for good. `done` is called when its process is gone.
  func retire(_ reason: String, done: @escaping () -> Void) {
    retired = true
    waitingForwards = []
    forwardRetry.rest()
    closeSockets()
    dismissGuests(reason)
    stop(reason, done: done)
  }

  /// Takes over new settings: at once when at rest, at its next start when running.
  func configure(_ configuration: NetworkConfiguration, configFile: String) {
    let changed = wanted.settings != configuration.settings
    wanted = configuration
    self.configFile = configFile
    takeUsernet(configuration)
    if state == .failed {
      state = .stopped
      error = nil
      failedUntil = 0
      open()
    }
    setNames(NameSet(owner: Self.configurationOwner, hosts: configuration.hosts))
    if changed, let active,
      active.network.settings.withDNS(of: configuration.settings) != configuration.settings
    {
      // Whoever comes next gets what the configuration says now.
      if state == .running, isIdle { return stop("its configuration has changed") }
      log(.notice, "the configuration has changed and holds from its next start on")
    }
    updateDNS()
  }

  /// Somebody wants it to run though no guest is there.
  var isHeld: Bool { pinned || !holders.isEmpty }

  /// Nobody is there who would notice its end.
  var isIdle: Bool { guests.isEmpty && unixgramGuests.isEmpty && waiters.isEmpty && !isHeld }

  /// The process runs with other settings than the configuration has.
  var isChanged: Bool {
    guard let active else { return false }
    return active.network.settings != asked.settings
  }
}
