// SPDX-License-Identifier: Apache-2.0
//
// UDP between guests and host sockets.

/// UDP flows of all links. Loop thread only.
package final class UDPEngine {
  private unowned(unsafe) let stack: Stack

  init(stack: Stack) { self.stack = stack }

  /// A datagram from a guest; borrowed.
  func input(_ packet: InboundPacket) {}
  /// A socket is ready (LND_FD_*).
  func onEvent(_ token: EventToken, _ events: UInt32) {}
  func onTimer(_ token: EventToken) {}
  /// Sends what was collected during this callback.
  func endOfTurn() {}
  func linkDown(_ link: UInt32) {}
  func shutDown() {}
}
