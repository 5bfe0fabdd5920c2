// SPDX-License-Identifier: Apache-2.0
//
// MachineCommand: the guest of `tap`: one end of a pair of TAPs, for a virtual machine. This process and the command stay
// in their namespaces.

import Daemon
import Platform

#if os(Linux)

  import LibC

  struct MachineCommand: CommandGuest {
    private let pair: WirePair
    private let descriptor: Int32
    let request: AttachRequest
    /// Maximum time for the last frames of a machine to reach the daemon, milliseconds.
    private static let lastFrames = 1000

    init(_ options: TapCommand) throws {
      pair = try WirePair()
      descriptor = options.descriptor
      request = AttachRequest(
        network: options.network, name: options.guest.name ?? "tap-\(getpid())",
        nameIsMade: options.guest.name == nil, mac: options.guest.mac?.description,
        mtu: options.guest.mtu ?? 0, vnetHeader: true, needsLease: false)
    }

    var tap: Int32 { pair.network }
    var passing: (fd: Int32, as: Int32)? { (pair.machine, descriptor) }
    /// Virtual machines shut down in order on SIGTERM: QEMU flushes its images.
    var endSignal: Int32 { SIGTERM }

    func configure(_ lease: LeaseOffer?, before: LeaseOffer?) {}
    func prepare(_ lease: LeaseOffer?) {}

    /// The machine's end is closed here, so that it ends with the machine.
    func begun() { Descriptor.close(pair.machine) }

    func finish(_ link: inout GuestLink, _ signals: ForegroundSignals, isHurried: Bool) {
      for _ in 0..<Self.lastFrames {
        guard Foreground.wait([tap], milliseconds: 0)[0], link.isAlive() else { break }
        _ = Foreground.wait([], milliseconds: 1)
      }
    }
  }

#endif
