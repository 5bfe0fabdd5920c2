// SPDX-License-Identifier: Apache-2.0
//
// Rest: has the daemon give its memory back when nothing was asked of it for a second. Answering goes through
// megabytes of code that guests' traffic has no use for. Loop thread.

import Platform

final class Rest {
  private let loop: EventLoop
  private var timer: EventLoop.TimerID?

  init(loop: EventLoop) { self.loop = loop }

  /// Something was asked, or started.
  func disturb() {
    if let timer { loop.cancel(timer) }
    timer = loop.schedule(after: RestingMemory.delay) { [weak self] in
      self?.timer = nil
      RestingMemory.release()
    }
  }
}
