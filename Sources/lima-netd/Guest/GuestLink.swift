// SPDX-License-Identifier: Apache-2.0
//
// GuestLink: the connection by which a TAP of `exec` or `tap` is on its network, as daemons come and go.

import Daemon
import Platform

#if os(Linux)

  /// The connection to the daemon, as it comes and goes.
  struct GuestLink {
    /// Belongs to the caller, and outlives this.
    let tap: Int32
    let request: AttachRequest
    var attachment: Attachment?
    /// Whose daemon to wait for when this one has gone; nil: it will not come back.
    let home: LimaHome?
    /// Makes the guest what a daemon says, each time anew.
    private let configure: (LeaseOffer) throws -> Void
    /// The process that has the guest, or had it. It let go on purpose (network stop) if it still lives:
    /// only another one is asked again.
    private var daemon: Int32?
    /// When the daemon went while the last bytes were waited for.
    private var droppedAt: UInt64 = 0
    private static let restartTime: UInt64 = 3_000_000_000

    var fd: Int32 { attachment?.channel.fd ?? -1 }

    init(
      tap: Int32, request: AttachRequest, attachment: Attachment, home: LimaHome?,
      configure: @escaping (LeaseOffer) throws -> Void
    ) {
      self.tap = tap
      self.configure = configure
      self.request = request
      self.attachment = attachment
      self.home = home
      daemon = Self.peer(attachment.channel)
    }

    /// The daemon sends nothing after its reply: what can be read is the end.
    mutating func drop() {
      attachment?.channel.close()
      attachment = nil
      StandardError.print(
        "lima-netd: network \(request.network) has let this guest go"
          + (home == nil ? "" : "; a daemon that is started anew takes it back"))
    }

    /// After the command's end: a daemon has the guest, or another one is likely to come up and take it.
    mutating func isAlive() -> Bool {
      if attachment != nil, Foreground.wait([fd], milliseconds: 0)[0] {
        drop()
        droppedAt = MonotonicClock.now()
      }
      retry()
      return attachment != nil
        || droppedAt != 0 && MonotonicClock.now() &- droppedAt < Self.restartTime
    }

    mutating func retry() {
      guard attachment == nil, let home else { return }
      guard let channel = (try? Attachment.connect(home)) ?? nil,
        Self.peer(channel) != daemon,
        let attachment = try? Attachment(channel, request, tap: tap)
      else { return }
      self.attachment = attachment
      daemon = Self.peer(channel)
      if let lease = attachment.offer { try? configure(lease) }
      StandardError.print("lima-netd: back on network \(request.network)")
    }

    private static func peer(_ channel: MessageChannel) -> Int32? {
      try? UnixSocket.peerCredentials(channel.fd).pid
    }
  }

#endif
