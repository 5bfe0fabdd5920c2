// SPDX-License-Identifier: Apache-2.0
//
// A look at a process's heartbeat each second, from its spawn to its end. It costs a read of shared memory, and a system
// call where the loop has made no turn since; the process itself is not asked. Loop thread.

import HostProtocol
import Platform

/// How long a process has made no turn, and over what.
struct Silence: Equatable {
  var seconds: Int
  /// "rx of network plugin slirp"; nil: nobody knows.
  var place: String?

  /// "rx of network plugin slirp, 3 s"
  var text: String { (place.map { "\($0), " } ?? "") + "\(seconds) s" }
}

extension HostLink {
  struct Watch {
    fileprivate var dog = Watchdog()
    fileprivate var timer: EventLoop.TimerID?
    fileprivate var silence: Silence?
    /// ns after which it hangs; nil: it may for ever. Asked at each look.
    var limit: () -> UInt64? = { nil }
    /// It has stopped responding, or (nil) does again.
    var onChange: (Silence?) -> Void = { _ in }
    /// It has hung for longer than the limit.
    var onHung: (Silence) -> Void = { _ in }
  }

  /// Nil while it responds, and for the first seconds in which it does not.
  var silence: Silence? { watch.silence }

  func beginWatch(_ loop: EventLoop) {
    watch.timer = loop.schedule(after: Watchdog.interval) { [weak self] in
      guard let self else { return }
      beginWatch(loop)
      look()
    }
  }

  func endWatch(_ loop: EventLoop) {
    if let timer = watch.timer { loop.cancel(timer) }
    watch = Watch()
  }

  private func look() {
    var look = ProcessLook(
      now: MonotonicClock.now(), beat: pulse.beat, unread: pulse.requests != sent)
    if look.beat & 1 == 1 || look.unread || ChildProcess.isStopped(pid) {
      look.thread = ThreadUse(firstThreadOf: pid)
    }
    watch.dog.look(look)
    let before = watch.silence
    watch.silence = watch.dog.silence.map {
      Silence(seconds: Int($0 / 1_000_000_000), place: place)
    }
    if (before == nil) != (watch.silence == nil) { watch.onChange(watch.silence) }
    guard let silence = watch.silence else { return }
    disappoint(HostError(.timeout, "its process \(pid) does not respond: \(silence.text)"))
    if let limit = watch.limit(), watch.dog.hungTime >= limit { watch.onHung(silence) }
  }

  private var place: String? {
    switch watch.dog.cause {
    case .busy: pulse.callback
    case .stopped: "stopped by a signal"
    case .traced: "stopped by a debugger"
    case .starved: "it gets no CPU or no memory"
    }
  }
}
