// SPDX-License-Identifier: Apache-2.0
//
// The network process's end of the control channel: requests in, replies and events out. Thread: loop only.

import HostProtocol
import Platform

final class ControlServer {
  private let channel: MessageChannel
  private let reactor: Reactor
  private let log: HostLog
  private var watch: UInt64 = 0
  private var wantsWrite = false
  /// Bytes of requests handled in one iteration, and the minimum that a request counts: guests' frames wait
  /// meanwhile.
  private static let bytesPerTurn = 16 << 10
  private static let leastCost = 512
  private(set) var hasMore = false
  /// False once the supervisor has closed its end.
  private(set) var isOpen = true
  /// Sending failed because the supervisor has closed; no further receive would report it.
  private(set) var peerHasLeft = false

  init(fd: Int32, reactor: Reactor, log: HostLog) throws(SystemError) {
    channel = try MessageChannel(fd: fd)
    self.reactor = reactor
    self.log = log
    switch reactor.watch(fd, .read, .control) {
    case .success(let token): watch = token
    case .failure(let errno): throw SystemError("epoll_ctl", errno)
    }
  }

  /// Handles up to `bytesPerTurn` of requests; false when the supervisor has closed. `hasMore` asks to be called in
  /// the next iteration without an event.
  func ready(
    _ events: PollEvents, _ handle: (UInt64, HostRequest, [Int32]) -> Void
  ) -> Bool {
    do throws(MessageChannel.Failure) {
      if events.contains(.write) { try channel.flush() }
      var left = Self.bytesPerTurn
      hasMore = false
      while isOpen {
        guard left > 0 else {
          // The rest may be in the channel's buffer already: the kernel would report no event.
          hasMore = true
          break
        }
        guard let message = try channel.receive() else { break }
        left -= message.bytes.count + Self.leastCost
        take(message, handle)
      }
      updateInterest()
    } catch {
      if error != .closed { log.error("control", "\(error)") }
      close()
    }
    return isOpen
  }

  private func take(
    _ message: MessageChannel.Message, _ handle: (UInt64, HostRequest, [Int32]) -> Void
  ) {
    reactor.heartbeat.countRequest()
    guard let envelope = try? HostCodec.decodeRequest(message.bytes) else {
      for fd in message.fds { Descriptor.close(fd) }
      log.error("control", "a request that this host does not understand")
      // Its id may still be readable; then the supervisor gets an error reply.
      guard let id = HostCodec.requestID(message.bytes) else { return }
      return reply(id, .failed(HostError(.unsupported, "this host does not know that request")))
    }
    guard !message.lostDescriptors else {
      log.error("control", "no descriptor is left for what came with a request: it fails")
      return reply(
        envelope.id,
        .failed(HostError(.limit, "the network's process has no file descriptor left for it")))
    }
    handle(envelope.id, envelope.body, message.fds)
  }

  func reply(_ id: UInt64, _ reply: HostReply) { send(.reply(id: id, reply)) }

  func emit(_ event: HostEvent) { send(.event(event)) }

  private func send(_ message: HostMessage) {
    guard isOpen else { return }
    guard let bytes = try? HostCodec.encode(message) else { return }
    do throws(MessageChannel.Failure) {
      try channel.send(bytes)
      updateInterest()
    } catch {
      log.error("control", "\(error)")
      if error != .closed, case .malformed = error { return tooLong(message) }
      if error == .closed { peerHasLeft = true }
      close()
    }
  }

  /// Replaces a reply that exceeds the maximum message length by an error.
  private func tooLong(_ message: HostMessage) {
    guard case .reply(let id, _) = message else { return }
    send(.reply(id: id, .failed(HostError(.limit, "the answer is longer than 1 MiB"))))
  }

  private func updateInterest() {
    guard isOpen, channel.wantsWrite != wantsWrite else { return }
    wantsWrite = channel.wantsWrite
    _ = reactor.modify(watch, wantsWrite ? [.read, .write] : .read, object: nil)
  }

  private func close() {
    guard isOpen else { return }
    isOpen = false
    hasMore = false
    reactor.unwatch(watch, object: nil)
    channel.close()
  }

  /// Sends the queue before the process exits, within at most 1 s.
  func drain() {
    guard isOpen else { return }
    let deadline = MonotonicClock.now() &+ 1_000_000_000
    while channel.wantsWrite, MonotonicClock.now() < deadline {
      guard (try? Descriptor.wait(channel.fd, .write, timeout: 100)) != nil,
        (try? channel.flush()) != nil
      else { return }
    }
  }
}
