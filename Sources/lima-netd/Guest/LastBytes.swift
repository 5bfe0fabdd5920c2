// SPDX-License-Identifier: Apache-2.0
//
// LastBytes: bytes that a program wrote last are in its namespace's kernel when it ends, and would be lost with the
// namespace. `exec` and `attach` therefore wait until the kernel has no unacknowledged bytes, and the TAP no unread frames.
// The wait is bounded (UnsentBytes), reported to the user, and ended by any signal. Runs in the namespace.

import Platform

#if os(Linux)

  struct LastBytes {
    let interface: GuestInterface
    let signals: ForegroundSignals

    /// Returns when nothing is left, or there is no more progress.
    /// - Parameter isAttached: whether a daemon has the guest; without one nothing can leave.
    func wait(
      orphansOnly: Bool = false, limits: UnsentBytes.Limits = UnsentBytes.Limits(),
      isAttached: () -> Bool
    ) {
      // Signals from before the command's end were for the command.
      while signals.next() != nil {}
      guard var diagnostics = try? SocketDiagnostics(), var netlink = try? Netlink(),
        let index = try? netlink.link(named: interface.tap.name).index
      else { return }
      guard let first = connections(&diagnostics) else { return }
      var unsent = UnsentBytes(
        first, orphansOnly: orphansOnly, limits: limits, now: MonotonicClock.now())
      var now = first
      var pause: Int32 = 1
      while isAttached() {
        switch unsent.look(
          now, hasPackets: hasPackets(&netlink, index), now: MonotonicClock.now())
        {
        case .done: return
        case .wait: break
        case .tell(let what):
          StandardError.print("lima-netd: \(what) are still on their way; Ctrl-C ends the wait")
        case .giveUp(let what):
          StandardError.print("lima-netd: \(what) could not be delivered and are lost")
          return
        }
        if Foreground.wait([signals.fd], milliseconds: pause)[0] { return }
        let before = MonotonicClock.now()
        guard let next = connections(&diagnostics) else { return }
        now = next
        // Reading very many sockets takes time: the interval grows with it.
        let took = Int32(clamping: (MonotonicClock.now() &- before) / 1_000_000)
        pause = max(min(pause * 2, 50), took * 4)
      }
    }

    /// Nil if the kernel does not report them; logged once, as it explains lost bytes.
    private func connections(_ diagnostics: inout SocketDiagnostics) -> [TCPConnectionInfo]? {
      do throws(SystemError) {
        return try diagnostics.unfinished()
      } catch {
        StandardError.print(
          "lima-netd: what was written last may be lost: the kernel does not tell what is unsent (\(error))"
        )
        return nil
      }
    }

    /// A datagram that waits for address resolution goes to the TAP next, so the queue is read before the TAP.
    private func hasPackets(_ netlink: inout Netlink, _ index: Int32) -> Bool {
      if (try? netlink.hasUnresolvedNeighbours(index: index)) == true { return true }
      return Foreground.wait([interface.tap.fd], milliseconds: 0)[0]
    }
  }

#endif
