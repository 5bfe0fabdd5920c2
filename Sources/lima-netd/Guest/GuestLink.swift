// SPDX-License-Identifier: Apache-2.0
//
// GuestLink: the connection of a TAP of `exec`, `attach` or `tap` to its network, over restarts of daemon and network.
// Without a connection, `wait` looks for the next one:
//
//     the daemon has ended        any daemon that serves the home takes the guest
//     the network was stopped     this daemon, when a user has started the network; or another daemon
//     the network was removed     any daemon, when networks.yaml has the network again
//     the guest was disconnected  another daemon
//
// A returning guest never starts a network that a user has stopped.

import Daemon
import Platform

#if os(Linux)

  struct GuestLink {
    private(set) var attachment: Attachment?
    /// Owned by the caller, and not closed here.
    private let tap: Int32
    private let request: AttachRequest
    /// The home whose daemon to wait for; nil: none will follow.
    private let home: LimaHome?
    /// Configures the guest from a daemon's lease, given the previous one.
    private let configure: (LeaseOffer?, _ before: LeaseOffer?) throws -> Void
    private var lastOffer: LeaseOffer?
    /// The process of the present daemon, or of the last one.
    private var daemon: Int32?
    private var absence = Absence.daemonGone
    /// When the daemon ended during the wait for the last bytes.
    private var droppedAt: UInt64 = 0
    private static let restartTime: UInt64 = 3_000_000_000
    /// Number of consecutive refusals, and when to ask again, ns: so that guests of a network that cannot start do not
    /// start it every second.
    private var refusals = 0
    private var nextTry: UInt64 = 0
    private static let longestPause: UInt64 = 10_000_000_000

    private enum Absence {
      case daemonGone
      case networkStopped
      case networkRemoved
      case sentAway
    }

    /// Connects the guest and configures it.
    init(
      _ daemon: GuestDaemon, _ request: AttachRequest, tap: Int32,
      configure: @escaping (LeaseOffer?, _ before: LeaseOffer?) throws -> Void
    ) throws {
      self.tap = tap
      self.request = request
      self.configure = configure
      home = daemon.home
      self.daemon = Self.peer(daemon.channel)
      let attachment = try Attachment(daemon.channel, of: home, request, tap: tap)
      self.attachment = attachment
      try configure(attachment.offer, nil)
      lastOffer = attachment.offer
      for forward in attachment.forwards where forward.host != request.host(of: forward) {
        StandardError.print("lima-netd: \(ForwardAdd.text(forward, request.network))")
      }
    }

    /// Waits until one of `fds` is readable, and meanwhile keeps the guest connected.
    /// - Parameter milliseconds: timeout; < 0: none.
    /// - Returns: for each descriptor whether it is readable. All false at the timeout, and after a change of the link.
    mutating func wait(for fds: [Int32], milliseconds: Int32 = -1) -> [Bool] {
      let longest = patience
      let ready = Foreground.wait(
        fds + [attachment?.channel.fd ?? -1],
        milliseconds: longest < 0
          ? milliseconds : milliseconds < 0 ? longest : min(longest, milliseconds))
      if ready[fds.count] { drop() }
      retry()
      return Array(ready.prefix(fds.count))
    }

    /// Only another daemon takes it back.
    var isSentAway: Bool { attachment == nil && absence == .sentAway }

    /// Milliseconds until the next look for a daemon.
    private var patience: Int32 {
      guard attachment == nil, home != nil else { return -1 }
      let now = MonotonicClock.now()
      if nextTry > now { return Int32((nextTry - now) / 1_000_000) + 1 }
      return absence == .daemonGone ? 300 : 1000
    }

    /// A message after the reply has the reason why the daemon disconnects; without one it was killed.
    private mutating func drop() {
      guard let attachment else { return }
      let farewell = attachment.farewell()
      attachment.channel.close()
      self.attachment = nil
      let network = request.network
      let text: String
      switch farewell?.cause {
      case _ where home == nil:
        text =
          "its private daemon has ended, and network \(network) with it; run the command again"
      case nil, .daemonStops:
        absence = .daemonGone
        text = "the daemon has ended; this guest is back on network \(network) when it runs again"
      case .networkStopped:
        absence = .networkStopped
        text =
          "network \(network) was stopped; this guest is back when it is started "
          + "(lima-netd network start \(network))"
      case .networkRemoved:
        absence = .networkRemoved
        text =
          "network \(network) is no longer in networks.yaml; this guest is back when it is there again"
      case .sentAway:
        absence = .sentAway
        text = "network \(network) has sent this guest away: \(farewell?.message ?? "")"
      }
      StandardError.print("lima-netd: \(text)")
    }

    /// After the command's end: whether a daemon has the guest, or another one is likely to start and take it.
    mutating func isAlive() -> Bool {
      if let fd = attachment?.channel.fd, Foreground.wait([fd], milliseconds: 0)[0] {
        drop()
        droppedAt = MonotonicClock.now()
      }
      retry()
      return attachment != nil
        || droppedAt != 0 && MonotonicClock.now() &- droppedAt < Self.restartTime
    }

    /// Back-off of 1, 2, 4, 8, 10, 10 ... seconds.
    private mutating func pause() {
      let seconds = UInt64(1) << UInt64(min(refusals, 4))
      nextTry = MonotonicClock.now() &+ min(seconds &* 1_000_000_000, Self.longestPause)
      refusals += 1
    }

    private mutating func retry() {
      guard attachment == nil, MonotonicClock.now() >= nextTry, let home,
        let channel = (try? Attachment.connect(home)) ?? nil
      else { return }
      var request = request
      request.isReturn = true
      if Self.peer(channel) == daemon {
        guard absence != .sentAway else { return channel.close() }
        request.startsNothing = absence == .networkStopped
      }
      // A stopped daemon would not answer, while this process must watch the command.
      guard Attachment.stopped(Attachment.process(of: home, channel)) == nil else {
        return channel.close()
      }
      guard let attachment = try? Attachment(channel, of: home, request, tap: tap) else {
        // While the network waits for `network start` a request starts nothing.
        if request.startsNothing != true { pause() }
        return channel.close()
      }
      self.attachment = attachment
      (refusals, nextTry) = (0, 0)
      daemon = Self.peer(channel)
      StandardError.print("lima-netd: back on network \(request.network)")
      do {
        try configure(attachment.offer, lastOffer)
        lastOffer = attachment.offer
      } catch {
        StandardError.print("lima-netd: its interface could not be configured again: \(error)")
      }
    }

    private static func peer(_ channel: MessageChannel) -> Int32? {
      try? UnixSocket.peerCredentials(channel.fd).pid
    }
  }

  extension AttachRequest {
    /// The host's end of the forward that was requested; nil: none leads to that port number.
    fileprivate func host(of forward: Forward) -> String? {
      forwards?.first { $0.protocol == forward.protocol && $0.host == forward.host }?.host
    }
  }

#endif
