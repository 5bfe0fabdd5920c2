// SPDX-License-Identifier: Apache-2.0
//
// Sockets of the host that lead into a guest.

/// Forwards of the network. Loop thread only.
package final class ForwardEngine {
  private unowned(unsafe) let stack: Stack

  init(stack: Stack) { self.stack = stack }

  func onEvent(_ token: EventToken, _ events: UInt32) {}
  func onTimer(_ token: EventToken) {}
  func linkUp(_ link: UInt32) {}
  func linkDown(_ link: UInt32) {}
  /// A TCP flow that was opened for `owner` (see `TCPEngine.openTowardGuest`) is over.
  func flowClosed(_ owner: UInt32) {}
  func shutDown() {}
}
