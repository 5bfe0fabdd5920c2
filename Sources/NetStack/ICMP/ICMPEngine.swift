// SPDX-License-Identifier: Apache-2.0
//
// ICMP: echo to the gateway, and to the outside through ping sockets.

/// ICMP of all links. Loop thread only.
package final class ICMPEngine {
  private unowned(unsafe) let stack: Stack

  init(stack: Stack) { self.stack = stack }

  /// A message from a guest; borrowed.
  func input(_ packet: InboundPacket) {}
  func onEvent(_ token: EventToken, _ events: UInt32) {}
  func onTimer(_ token: EventToken) {}
  func linkDown(_ link: UInt32) {}
  func shutDown() {}
}
