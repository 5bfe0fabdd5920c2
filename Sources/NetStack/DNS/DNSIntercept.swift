// SPDX-License-Identifier: Apache-2.0
//
// DNS to the gateway's DNS address, over UDP and TCP.

/// Leads guests' questions to the network's DNS. Loop thread only.
package final class DNSIntercept {
  private unowned(unsafe) let stack: Stack

  init(stack: Stack) { self.stack = stack }

  /// A guest connects to the DNS address, port 53: returns the fd of a connected stream
  /// socket (one end of a pair) that TCP then owns and carries; -1 refuses.
  func acceptStream(link: UInt32, guest: Endpoint) -> Int32 { -1 }
  func onEvent(_ token: EventToken, _ events: UInt32) {}
  func onTimer(_ token: EventToken) {}
  func linkDown(_ link: UInt32) {}
  func shutDown() {}
}
