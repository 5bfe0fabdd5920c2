// SPDX-License-Identifier: Apache-2.0
//
// GuestDaemon: the daemon of a guest: the one that serves the Lima home, or a private one.

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

    /// The daemon that serves the home; never a private one.
    static func serving(_ home: LimaHome) throws -> GuestDaemon {
      guard let channel = try Attachment.connect(home) else {
        throw CommandFailure.daemonNotRunning(home.path)
      }
      return GuestDaemon(channel: channel, home: home, own: nil)
    }

    /// Stops a private daemon.
    func stop() { own?.stop() }
  }

#endif
