// SPDX-License-Identifier: Apache-2.0
//
// Attachment: the connection over which a TAP is handed to the daemon. The guest is on its network as long as the
// connection lives. Blocking, without NIO or threads: `exec` and `attach` change namespaces around it.

import Daemon
import Platform

struct Attachment {
  let channel: MessageChannel
  let guest: UInt64
  /// Nil where the guest configures itself, on a network that gives no addresses.
  let offer: LeaseOffer?
  /// Those that the guest brought along.
  let forwards: [Forward]

  /// Connects to the daemon of `home`.
  /// - Returns: nil when none runs there.
  static func connect(_ home: LimaHome) throws -> MessageChannel? {
    do throws(SystemError) {
      return try MessageChannel(fd: UnixSocket.connect(path: home.attachSocket, patience: 10_000))
    } catch {
      if error.errno == .noSuchFile || error.errno == .connectionRefused { return nil }
      throw CommandFailure.daemonUnreachable(home, error.errno)
    }
  }

  /// Hands the TAP over and waits until the guest is on its network.
  /// - Throws: `CommandFailure` with the daemon's own words when it refuses.
  init(_ channel: MessageChannel, _ request: AttachRequest, tap fd: Int32) throws {
    let reply: AttachReply
    do {
      try channel.sendBlocking(try JSONText.encode(request), fds: [fd])
      // A network that is just starting takes its time; a daemon that hangs is not waited for.
      let message = try channel.receiveBlocking(timeout: 30_000)
      for fd in message.fds { Descriptor.close(fd) }
      reply = try JSONText.decode(AttachReply.self, from: message.bytes)
    } catch let failure as MessageChannel.Failure {
      throw CommandFailure(
        "The daemon did not take the guest for network \(request.network): \(failure)",
        remedy: "Its log says more:  lima-netd status")
    }
    guard reply.ok, let guest = reply.guest, reply.lease != nil || !request.needsLease else {
      throw CommandFailure(
        reply.error?.message ?? "The daemon refused the guest without a reason")
    }
    self.channel = channel
    self.guest = guest
    offer = reply.lease
    forwards = reply.forwards ?? []
  }

  /// Why the daemon has let the guest go, once the connection is readable; nil: it did not say.
  func farewell() -> AttachFarewell? {
    guard let message = (try? channel.receive()) ?? nil else { return nil }
    for fd in message.fds { Descriptor.close(fd) }
    return try? JSONText.decode(AttachFarewell.self, from: message.bytes)
  }
}
