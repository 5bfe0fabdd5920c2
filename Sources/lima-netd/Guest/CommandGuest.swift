// SPDX-License-Identifier: Apache-2.0
//
// CommandGuest: what `exec` and `tap` do differently: what their guest is made of. The rest of their lives, daemon, command,
// signals, is GuestCommand's.

import Daemon
import Platform

#if os(Linux)

  protocol CommandGuest {
    /// The daemon's end of its link; open until the guest goes.
    var tap: Int32 { get }
    var request: AttachRequest { get }
    /// What the command inherits besides, and as which descriptor.
    var passing: (fd: Int32, as: Int32)? { get }
    /// What the command gets should lima-netd be killed.
    var endSignal: Int32 { get }

    /// A daemon has taken it; called for each that does.
    /// - Parameter before: as it was configured last.
    func configure(_ lease: LeaseOffer?, before: LeaseOffer?) throws
    /// It has a network, and the command is about to start.
    func prepare(_ lease: LeaseOffer?) throws
    /// The command has what it inherits.
    func begun()
    /// The command has ended: waits until what it sent last has left.
    /// - Parameter isHurried: its user is waiting.
    func finish(_ link: inout GuestLink, _ signals: ForegroundSignals, isHurried: Bool)
  }

#endif
