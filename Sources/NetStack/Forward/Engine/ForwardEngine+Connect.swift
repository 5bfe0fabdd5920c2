// SPDX-License-Identifier: Apache-2.0
//
// Single connections to a guest on request of the host (limanetd.connect/1): a socket whose other end the requester
// holds becomes the host's end of a new TCP connection.
//
// TCP reports their outcome to OpenForwards. Loop thread only.

import Wire

extension ForwardEngine {
  /// Maximum connections that the guest has not accepted yet.
  private static let maximumConnects = 1024

  /// Opens a connection to `guest` that carries the bytes of `fd`, a stream socket, of which it takes ownership in
  /// every case. `onConnect` reports the outcome, perhaps from inside this call. Call `Stack.endOfIteration`
  /// afterwards.
  /// - Parameters:
  ///   - guest: "192.168.104.3:22"
  ///   - guestName: which guest of an isolated network; "": the first one.
  public func connect(
    fd: Int32, to guest: String, guestName: String = "", ticket: UInt64
  ) throws(ForwardFailure) {
    let endpoint: Endpoint
    do throws(ForwardFailure) {
      guard let parsed = Endpoint(guest), parsed.port != 0 else {
        throw .invalid("\(guest) is not an address and port of a guest, as 192.168.5.15:80")
      }
      endpoint = parsed
      try check(endpoint.address)
      guard registry.connects.count < Self.maximumConnects else {
        throw ForwardFailure(
          .limit,
          text: "\(Self.maximumConnects) connections wait for their guests already")
      }
      guard admits(registry.connectSockets) else {
        throw ForwardFailure(
          .limit,
          text: "no room for another connection: \(DescriptorBudget.remedy)")
      }
      guard link(ofGuest: guestName) != 0 else {
        throw ForwardFailure(
          .notFound,
          text: guestName.isEmpty ? "there is no guest" : "there is no guest \(guestName)")
      }
    } catch {
      _ = stack.calls.close(stack.calls.context, fd)
      throw error
    }
    let owner = nextConnect
    nextConnect = owner == .max ? OpenForwards.firstConnect : owner + 1
    // Set before the call, which may end the flow.
    registry.connects[owner] = ticket
    registry.connectSocketOpened()
    let isOpen = tcp.openTowardGuest(
      socket: fd, link: link(ofGuest: guestName), guest: endpoint,
      source: Endpoint(stack.config.gateway(for: endpoint.address), port: 0), owner: owner)
    guard !isOpen else { return }
    registry.socketClosed(owner)
    if registry.connects.removeValue(forKey: owner) != nil {
      throw ForwardFailure(.limit, text: "no room for another connection")
    }
  }
}
