// SPDX-License-Identifier: Apache-2.0
//
// GuestDaemon: the daemon that a guest is handed to: the one that serves the Lima home, or else a private one, or one that is started and stays.

import Daemon
import Platform

#if os(Linux)

  struct GuestDaemon {
    let channel: MessageChannel
    /// The home whose next daemon takes the guest over when this one has ended; nil: none will.
    let home: LimaHome?
    private let own: PrivateDaemon?

    /// - Parameter pluginDirectories: for a private daemon.
    static func reach(_ home: LimaHome, pluginDirectories: [String]) throws -> GuestDaemon {
      if let channel = try Attachment.connect(home) {
        return GuestDaemon(channel: channel, home: home, own: nil)
      }
      let (own, channel) = try PrivateDaemon.start(for: home, pluginDirectories: pluginDirectories)
      return GuestDaemon(channel: channel, home: nil, own: own)
    }

    /// The one that serves the home, started where there is none.
    static func serving(_ home: LimaHome) throws -> GuestDaemon {
      try StartedDaemon.require(home, at: home.attachSocket)
      guard let channel = try Attachment.connect(home) else {
        throw CommandFailure.daemonNotRunning(home.path)
      }
      return GuestDaemon(channel: channel, home: home, own: nil)
    }

    /// Where its control socket is.
    func servedHome(of asked: LimaHome) -> LimaHome { own?.home ?? asked }

    /// Ends a private one.
    func stop() { own?.stop() }
  }

#endif
