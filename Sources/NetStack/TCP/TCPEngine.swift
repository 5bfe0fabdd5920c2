// SPDX-License-Identifier: Apache-2.0
//
// TCP between guests and host sockets.

/// TCP flows of all links. Loop thread only.
package final class TCPEngine {
  unowned(unsafe) let stack: Stack

  init(stack: Stack) { self.stack = stack }

  func input(_ packet: InboundPacket) {}
  func onEvent(_ token: EventToken, _ events: UInt32) {}
  func onTimer(_ token: EventToken) {}
  func endOfTurn() {}
  func linkDown(_ link: UInt32) {}
  func linkReady(_ link: UInt32) {}
  func frameRefused(flow: UInt32, sequence: UInt32) {}
  func shutDown() {}

  /// Leads a connected stream socket of the host (an accepted client of a forward) to a port of
  /// a guest: opens a connection towards the guest and carries the bytes both ways. The engine
  /// owns `socket` from here on, whatever comes of it: a guest that refuses resets it.
  /// - Parameters:
  ///   - source: whom the guest sees as its peer; its port must be free towards `guest`.
  ///     Port 0: the engine picks one.
  ///   - owner: given to `ForwardEngine.flowClosed` when the flow is over; 0 for nobody.
  /// - Returns: false when there is no room for another flow (the socket is closed).
  package func openTowardGuest(
    socket: Int32, link: UInt32, guest: Endpoint, source: Endpoint, owner: UInt32
  ) -> Bool { false }
}
