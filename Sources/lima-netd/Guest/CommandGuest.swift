// SPDX-License-Identifier: Apache-2.0
//
// CommandGuest: the differences between the guests of `exec` and `tap`. GuestCommand handles daemon, command and signals
// for both.

import Daemon
import Platform

#if os(Linux)

  protocol CommandGuest {
    /// The daemon's end of the guest's link; open until the guest ends.
    var tap: Int32 { get }
    var request: AttachRequest { get }
    /// A descriptor that the command inherits, and its number there.
    var passing: (fd: Int32, as: Int32)? { get }
    /// The signal that the command gets if lima-netd is killed.
    var endSignal: Int32 { get }

    /// Called each time a daemon has accepted the guest.
    /// - Parameter before: the previous configuration.
    func configure(_ lease: LeaseOffer?, before: LeaseOffer?) throws
    /// Called when it is connected, before the command starts.
    func prepare(_ lease: LeaseOffer?) throws
    /// Called when the command has started, with its descriptors.
    func begun()
    /// Called when the command has ended: waits until its last bytes have been sent.
    /// - Parameter isHurried: the user has interrupted the command.
    func finish(_ link: inout GuestLink, _ signals: ForegroundSignals, isHurried: Bool)
  }

#endif
