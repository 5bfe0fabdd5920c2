// SPDX-License-Identifier: Apache-2.0
//
// Attachment: the connection over which a TAP is passed to the daemon. The guest is connected as long as it is open.
// Blocking, without NIO or threads: `exec` and `attach` change namespaces around it.

import Daemon
import Platform

struct Attachment {
  let channel: MessageChannel
  let guest: UInt64
  /// Nil if the guest configures itself, on a network that assigns no addresses.
  let offer: LeaseOffer?
  /// Forwards requested with the guest.
  let forwards: [Forward]

  /// Connects to the daemon of `home`.
  /// - Returns: nil if no daemon is running.
  static func connect(_ home: LimaHome) throws -> MessageChannel? {
    do throws(SystemError) {
      return try MessageChannel(fd: UnixSocket.connect(path: home.attachSocket, patience: 10_000))
    } catch {
      if error.errno == .noSuchFile || error.errno == .connectionRefused { return nil }
      throw CommandFailure.daemonUnreachable(home, error.errno)
    }
  }

  /// Passes the TAP to the daemon and waits until the guest is connected.
  /// - Throws: `CommandFailure` with the daemon's message if it refuses.
  /// - Parameter home: the daemon's home; nil: a private daemon.
  init(_ channel: MessageChannel, of home: LimaHome?, _ request: AttachRequest, tap fd: Int32)
    throws
  {
    let pid = Self.process(of: home, channel)
    let reply: AttachReply
    do {
      try channel.sendBlocking(try JSONText.encode(request), fds: [fd])
      let message = try Self.receive(channel, pid, for: request.network)
      for fd in message.fds { Descriptor.close(fd) }
      reply = try JSONText.decode(AttachReply.self, from: message.bytes)
    } catch let failure as MessageChannel.Failure {
      throw CommandFailure(
        "The daemon\(Self.name(pid)) did not take the guest for network \(request.network): "
          + (failure == .timedOut
            ? "it has not answered for \(Self.patience / 1000) s" : "\(failure)"),
        remedy: Self.stopped(pid).map { "It is stopped:  kill -CONT \($0)" }
          ?? "Its log says more:  lima-netd status")
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

  /// Timeout of an answer in milliseconds: a network that is starting takes some time. And the time after which the user is
  /// told what is waited for.
  private static let patience: Int32 = 30_000
  private static let silence: Int32 = 2_500

  private static func receive(
    _ channel: MessageChannel, _ pid: Int32?, for network: String
  ) throws(MessageChannel.Failure) -> MessageChannel.Message {
    do throws(MessageChannel.Failure) {
      return try channel.receiveBlocking(timeout: silence)
    } catch {
      guard error == .timedOut else { throw error }
    }
    let state =
      stopped(pid).map { ", which is stopped (kill -CONT \($0))" } ?? ""
    StandardError.print(
      "lima-netd: waiting for the daemon\(name(pid))\(state) to put the guest on network \(network)"
    )
    return try channel.receiveBlocking(timeout: patience - silence)
  }

  /// ", process 123"; "" if the system does not report it.
  private static func name(_ pid: Int32?) -> String { pid.map { ", process \($0)" } ?? "" }

  /// From the home's pid file, since a service manager may have created the socket.
  static func process(of home: LimaHome?, _ channel: MessageChannel) -> Int32? {
    guard let home else { return try? UnixSocket.peerCredentials(channel.fd).pid }
    return (try? Files.read(home.pidFile, limit: 64))
      .flatMap { Int32(String(decoding: $0, as: UTF8.self).filter(\.isNumber)) }
  }

  /// The daemon's process if it is stopped (SIGSTOP).
  static func stopped(_ pid: Int32?) -> Int32? {
    pid.flatMap { OtherProcess.isStopped($0) ? $0 : nil }
  }

  /// The daemon's reason for disconnecting the guest, when the connection is readable; nil: none was sent.
  func farewell() -> AttachFarewell? {
    guard let message = (try? channel.receive()) ?? nil else { return nil }
    for fd in message.fds { Descriptor.close(fd) }
    return try? JSONText.decode(AttachFarewell.self, from: message.bytes)
  }
}
