// SPDX-License-Identifier: Apache-2.0
//
// GuestDaemon: the daemon that a guest is handed to: the one that serves the Lima home, or else a private one.

import Daemon
import Platform

#if os(Linux)

  struct GuestDaemon {
    let channel: MessageChannel
    /// Whose next daemon takes the guest back when this one has gone; nil: there will be none.
    let home: LimaHome?
    private let own: PrivateDaemon?

    /// - Parameter pluginDirectories: a private daemon's.
    static func reach(_ home: LimaHome, pluginDirectories: [String]) throws -> GuestDaemon {
      if let channel = try Attachment.connect(home) {
        return GuestDaemon(channel: channel, home: home, own: nil)
      }
      let (own, channel) = try PrivateDaemon.start(for: home, pluginDirectories: pluginDirectories)
      return GuestDaemon(channel: channel, home: nil, own: own)
    }

    /// Only the one that serves the home.
    static func serving(_ home: LimaHome) throws -> GuestDaemon {
      guard let channel = try Attachment.connect(home) else {
        throw CommandFailure.daemonNotRunning(home.path)
      }
      return GuestDaemon(channel: channel, home: home, own: nil)
    }

    /// Ends a private one.
    func stop() { own?.stop() }
  }

#endif
