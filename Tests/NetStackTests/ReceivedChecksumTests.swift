// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Which checksums of a guest's packets are looked at (RFC 1122 §3.2.1.2, §4.2.2.7): docs/architecture.md, section 2.
@Suite(.timeLimit(.minutes(1)))
struct ReceivedChecksumTests {
  /// Hands a SYN to the stack with one byte changed; whether it was taken.
  private func isTaken(damageAt offset: Int?, _ flags: FrameFlags) -> Bool {
    let simulation = Simulation(seed: 1)
    let guest = ScriptedGuest(simulation)
    var frame = guest.segment(.syn, acknowledgement: 0)
    if let offset { frame[offset] ^= 0x40 }
    frame.withUnsafeBufferPointer { bytes in
      var item = Frame(data: bytes.baseAddress, length: UInt32(bytes.count), flags: flags)
      simulation.stack.rx(Simulation.port, &item, 1)
    }
    return simulation.stack.tcp.flowCount == 1
  }

  @Test(arguments: [[], .checksumValid, [.checksumValid, .needsChecksum]] as [FrameFlags])
  func `an IPv4 header must be whole, whatever the link says of the packet`(_ flags: FrameFlags) {
    #expect(isTaken(damageAt: nil, flags))
    // Identification, time-to-live and checksum.
    for offset in [14 + 4, 14 + 8, 14 + 10] { #expect(!isTaken(damageAt: offset, flags)) }
  }

  @Test func `the transport's checksum is looked at where the link does not vouch for it`() {
    // The window.
    #expect(!isTaken(damageAt: 34 + 14, []))
    #expect(isTaken(damageAt: 34 + 14, .checksumValid))
  }
}
