// SPDX-License-Identifier: Apache-2.0
//
// LastBytes: what a program wrote last is in its namespace's kernel when it ends, and goes with the namespace. So `exec`
// and `attach` stay until the kernel has nothing unacknowledged, and the TAP no frame that the daemon has not read:
// bounded (UnsentBytes), with a word to the user, and any signal ends it. In the namespace, which this process is in.

import Platform

#if os(Linux)

  struct LastBytes {
    let interface: GuestInterface
    let signals: ForegroundSignals

    /// Returns when nothing is left, or no more is to be hoped for.
    /// - Parameter isAttached: whether the daemon still has the guest: without it nothing would leave.
    func wait(
      orphansOnly: Bool = false, limits: UnsentBytes.Limits = UnsentBytes.Limits(),
      isAttached: () -> Bool
    ) {
      // What came before the command's end was for the command.
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
        // A look at very many sockets takes its time: most of it is not for looking.
        let took = Int32(clamping: (MonotonicClock.now() &- before) / 1_000_000)
        pause = max(min(pause * 2, 50), took * 4)
      }
    }

    /// Nil from a kernel that cannot say; told once, for what was lost would be a riddle.
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

    /// A datagram that waits for its neighbour's address goes to the TAP next: in this order.
    private func hasPackets(_ netlink: inout Netlink, _ index: Int32) -> Bool {
      if (try? netlink.hasUnresolvedNeighbours(index: index)) == true { return true }
      return Foreground.wait([interface.tap.fd], milliseconds: 0)[0]
    }
  }

#endif
