// SPDX-License-Identifier: Apache-2.0
//
// Connections to a guest that the host asks for one by one (limanetd.connect/1): a socket
// that somebody holds the other end of becomes the host's end of a new TCP connection.
//
// TCP tells what became of a flow by its owner; here that is a number of ours. Loop thread only.

import PluginAPI
import Wire

/// Why the guest did not accept.
enum ConnectFailure {
  /// RST.
  case refused
  /// ARP found nobody.
  case unreachable
  case timedOut
}

extension ForwardEngine {
  /// Connections that wait for their guest, at most.
  private static let maximumConnects = 1024

  /// Opens a connection to `guest` that carries the bytes of `fd`, a stream socket, and takes
  /// the socket over, whatever comes of it. `onConnect` tells the outcome, perhaps from inside
  /// this call. Followed by `Stack.endOfTurn`.
  /// - Parameters:
  ///   - guest: "192.168.104.3:22"
  ///   - guestName: which guest of an isolated network; "": the one that came first.
  package func connect(
    fd: Int32, to guest: String, guestName: String = "", ticket: UInt64
  ) throws(ForwardFailure) {
    let endpoint: Endpoint
    do throws(ForwardFailure) {
      guard let parsed = Endpoint(guest), parsed.port != 0 else {
        throw .invalid("\(guest) is not an address and port of a guest, as 192.168.5.15:80")
      }
      endpoint = parsed
      try check(endpoint.address)
      guard connects.count < Self.maximumConnects else {
        throw ForwardFailure(
          status: LND_ERR_LIMIT,
          text: "\(Self.maximumConnects) connections wait for their guests already")
      }
      guard admits(connectSockets) else {
        throw ForwardFailure(
          status: LND_ERR_LIMIT,
          text: "no room for another connection: \(DescriptorBudget.remedy)")
      }
      guard link(ofGuest: guestName) != 0 else {
        throw ForwardFailure(
          status: LND_ERR_NOT_FOUND,
          text: guestName.isEmpty ? "there is no guest" : "there is no guest \(guestName)")
      }
    } catch {
      _ = stack.calls.close(stack.calls.context, fd)
      throw error
    }
    let owner = nextConnect
    nextConnect = owner == .max ? Self.firstConnect : owner + 1
    // Before the call, which may end the flow.
    connects[owner] = ticket
    connectSocketOpened()
    let isOpen = stack.tcp.openTowardGuest(
      socket: fd, link: link(ofGuest: guestName), guest: endpoint,
      source: Endpoint(stack.config.gateway, port: 0), owner: owner)
    guard !isOpen else { return }
    socketClosed(owner)
    if connects.removeValue(forKey: owner) != nil {
      throw ForwardFailure(status: LND_ERR_LIMIT, text: "no room for another connection")
    }
  }

  /// TCP: the guest accepted.
  func flowOpened(_ owner: UInt32) {
    guard let ticket = connects.removeValue(forKey: owner) else { return }
    onConnect?(ticket, nil)
  }

  /// TCP: the guest did not accept; `flowClosed` follows.
  func flowFailed(_ owner: UInt32, _ failure: ConnectFailure) {
    guard owner >= Self.firstConnect else { return }
    connectEnded(owner, failure)
  }

  func connectEnded(_ owner: UInt32, _ failure: ConnectFailure?) {
    guard let ticket = connects.removeValue(forKey: owner) else { return }
    let reason =
      switch failure {
      case .refused:
        ForwardFailure(status: LND_ERR_REFUSED, text: "the guest refused the connection")
      case .unreachable:
        ForwardFailure(status: LND_ERR_NOT_FOUND, text: "no guest answers at this address")
      case .timedOut:
        ForwardFailure(status: LND_ERR_TIMEOUT, text: "the guest does not answer")
      case nil:
        ForwardFailure(
          status: LND_ERR_CANCELLED, text: "the guest or the network went away meanwhile")
      }
    onConnect?(ticket, reason)
  }
}
