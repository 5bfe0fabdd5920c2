// SPDX-License-Identifier: Apache-2.0
//
// SocketWatch: tells when something in the daemon's folders was removed or replaced, a cleaner's work perhaps: sockets whose
// files are gone are heard by nobody. Tells soon after, once for all that happens meanwhile. Without inotify (macOS, or no
// instance left) it tells nothing. Loop thread.

import Platform

final class SocketWatch {
  /// Nanoseconds between the first event and the call.
  private static let delay: UInt64 = 200_000_000

  private let loop: EventLoop
  private let onLoss: () -> Void
  private var timer: EventLoop.TimerID?
  #if os(Linux)
    private var watch: DirectoryWatch?
  #endif

  init(loop: EventLoop, onLoss: @escaping () -> Void) {
    self.loop = loop
    self.onLoss = onLoss
    #if os(Linux)
      watch = try? DirectoryWatch()
      guard let watch else { return }
      do throws(SystemError) {
        try loop.add(watch.fd, .read) { [weak self] _ in self?.receive() }
      } catch { self.watch = nil }
    #endif
  }

  /// Those that are there are watched from now on. Idempotent.
  func add(_ folders: [String]) {
    #if os(Linux)
      for folder in folders { _ = try? watch?.add(folder) }
    #endif
  }

  /// Idempotent.
  func close() {
    if let timer { loop.cancel(timer) }
    timer = nil
    #if os(Linux)
      if let watch { loop.remove(watch.fd) }
      watch = nil
    #endif
  }

  #if os(Linux)
    private func receive() {
      // What was renamed over a file came by `arrived`.
      let losses: DirectoryWatch.Change = [.left, .arrived, .directoryGone, .overflow]
      let events = watch?.events() ?? []
      guard timer == nil, events.contains(where: { !$0.changes.isDisjoint(with: losses) }) else {
        return
      }
      timer = loop.schedule(after: Self.delay) { [weak self] in
        self?.timer = nil
        self?.onLoss()
      }
    }
  #endif
}
