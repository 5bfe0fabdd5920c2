// SPDX-License-Identifier: Apache-2.0
//
// MessageChannel driven by an EventLoop.

extension MessageChannel {
  /// Attaches the channel to `loop`: it calls `onMessage` for each message, and `onClose` once at the end, after
  /// which the channel is closed. Replies are sent by `post`, which watches for writability while some are queued.
  package func attach(
    to loop: EventLoop, onMessage: @escaping (Message) -> Void,
    onClose: @escaping (Failure) -> Void
  ) throws(SystemError) {
    let watched = fd
    try loop.add(watched, .read) { [weak self, weak loop] events in
      guard let self, let loop else { return }
      do throws(Failure) {
        if events.contains(.write) { try flush() }
        while fd >= 0, let message = try receive() { onMessage(message) }
        guard fd >= 0 else { return loop.remove(watched) }
        updateInterest(loop)
      } catch {
        loop.remove(watched)
        close()
        onClose(error)
      }
    }
  }

  /// Sends on a channel that is attached to `loop`. Returns why the message was not sent, if it was
  /// not; what the socket refuses, the loop's next read reports as the channel's end, too.
  @discardableResult
  package func post(_ bytes: [UInt8], fds: [Int32] = [], on loop: EventLoop) -> Failure? {
    guard fd >= 0 else { return .closed }
    defer { updateInterest(loop) }
    do throws(Failure) {
      try send(bytes, fds: fds)
      return nil
    } catch {
      return error
    }
  }

  /// Detaches and closes.
  package func detach(from loop: EventLoop) {
    guard fd >= 0 else { return }
    loop.remove(fd)
    close()
  }

  private func updateInterest(_ loop: EventLoop) {
    try? loop.modify(fd, wantsWrite ? [.read, .write] : .read)
  }
}
