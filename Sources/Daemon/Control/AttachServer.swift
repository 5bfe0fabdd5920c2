// SPDX-License-Identifier: Apache-2.0
//
// AttachServer: the socket at which `exec`, `attach` and `tap` hand over their TAP devices. One message with one
// descriptor, one answer; the guest stays as long as the connection does, and its forwards with it. Should it have to go
// before, the last message says why.
// Loop thread.

import HostProtocol
import Logging
import Platform

final class AttachServer {
  let loop: EventLoop
  private let log: Logger
  /// Throws what to tell a guest that names no network.
  private let network: (String) throws(ErrorReport) -> Network
  var acceptor: UnixAcceptor?
  var clients: [ObjectIdentifier: Client] = [:]

  private static let maximumClients = 4096
  private static let requestTimeout: UInt64 = 10_000_000_000

  final class Client {
    let channel: MessageChannel
    var timer: EventLoop.TimerID?
    /// The guest, once it asked for.
    var guest: (network: Network, id: UInt64)?
    /// On whose behalf the network keeps the guest's forwards.
    var forwardOwner: String?
    var asked = false
    /// The guest is on its network, and was told so.
    var isAttached = false

    init(_ channel: MessageChannel) { self.channel = channel }
  }

  init(
    path: String, loop: EventLoop, log: Logger,
    network: @escaping (String) throws(ErrorReport) -> Network
  ) throws(SystemError) {
    self.loop = loop
    self.log = log
    self.network = network
    acceptor = try UnixAcceptor(
      path: path, loop: loop, onFailure: { log.warning("attach: cannot accept: \($0)") },
      onConnection: { [weak self] in self?.accept($0) })
  }

  /// See `UnixAcceptor.renew`.
  func renew() throws(SystemError) -> Bool { try acceptor?.renew() ?? false }

  /// Ends all attachments.
  func close() {
    guard acceptor?.close() == true else { return }
    for client in Array(clients.values) {
      end(client, "the daemon stops", saying: .daemonStops)
    }
  }

  private func accept(_ fd: Int32) {
    guard clients.count < Self.maximumClients, let channel = try? MessageChannel(fd: fd) else {
      return Descriptor.close(fd)
    }
    begin(Client(channel))
  }

  func begin(_ client: Client) {
    clients[ObjectIdentifier(client)] = client
    do throws(SystemError) {
      try client.channel.attach(
        to: loop,
        onMessage: { [weak self, weak client] message in
          guard let self, let client else {
            return message.fds.forEach { Descriptor.close($0) }
          }
          received(message, from: client)
        },
        onClose: { [weak self, weak client] _ in
          guard let self, let client else { return }
          end(client, "its owner left")
        })
    } catch {
      return end(client, "\(error)")
    }
    client.timer = loop.schedule(after: Self.requestTimeout) { [weak self, weak client] in
      guard let self, let client, !client.asked else { return }
      end(client, "it asked for nothing")
    }
  }

  private func received(_ message: MessageChannel.Message, from client: Client) {
    func refuse(_ code: HostError.Code, _ text: String) {
      for fd in message.fds { Descriptor.close(fd) }
      reply(AttachReply(error: ErrorReport(code: code.rawValue, message: text)), to: client)
      end(client, text)
    }
    guard !client.asked else { return refuse(.exists, "one connection attaches one guest") }
    client.asked = true
    guard let request = try? JSONText.decode(AttachRequest.self, from: message.bytes) else {
      return refuse(.invalidConfig, "the request makes no sense")
    }
    guard !message.lostDescriptors else {
      return refuse(.limit, "the daemon has no file descriptor left for another guest")
    }
    guard message.fds.count == 1 else {
      return refuse(.invalidConfig, "the request must carry one descriptor, the TAP device's")
    }
    // A plugin takes the name for what comes before a NUL: another guest's, perhaps.
    guard (0...65535).contains(request.mtu), request.name.utf8.count <= 253,
      !request.name.utf8.contains(0)
    else {
      return refuse(.invalidConfig, "MTU or name are out of bounds")
    }
    if let mac = request.mac, !SchemaFormat.isMAC(mac) {
      return refuse(.invalidConfig, "`\(mac)` is no MAC address")
    }
    let network: Network
    do throws(ErrorReport) { network = try self.network(request.network) } catch {
      return refuse(.notFound, error.message)
    }
    if let report = network.refusal(of: request) {
      return refuse(HostError.Code(rawValue: report.code) ?? .refused, report.message)
    }
    var named = request
    named.name = network.freeName(for: request)
    let (id, lease) = network.attach(
      named, fd: message.fds[0], onGone: farewell(to: client, from: network))
    client.guest = (network, id)
    network.core.begin { [self] in
      do throws(ErrorReport) {
        let lease = try await lease.value()
        try await welcome(client, named, id, lease, on: network)
      } catch {
        guard isHere(client) else { return }
        reply(AttachReply(error: error), to: client)
        // One that the network sent away itself ends as such.
        if client.forwardOwner != nil { end(client, error.message) }
      }
    }
  }

  /// What is done when the network sends a client's guest away.
  func farewell(to client: Client, from network: Network) -> (String) -> Void {
    { [weak self, weak client, weak network] reason in
      guard let self, let client else { return }
      let cause: AttachFarewell.Cause =
        network?.demand.isRetired ?? true
        ? .networkRemoved : network?.state == .stopping ? .networkStopped : .sentAway
      // Not in the middle of whatever the network does with its guests, and after what it answers.
      loop.later { [weak self] in self?.end(client, reason, saying: cause) }
    }
  }

  /// Opens the guest's forwards, and tells it that it is there.
  private func welcome(
    _ client: Client, _ request: AttachRequest, _ id: UInt64, _ lease: LeaseOffer?,
    on network: Network
  ) async throws(ErrorReport) {
    guard isHere(client) else { return }
    guard let forwards = request.forwards, !forwards.isEmpty else {
      return welcome(client, AttachReply(guest: id, lease: lease))
    }
    let guest = GuestForwards(
      network: network, owner: "guest \(request.name), \(id)", name: request.name, lease: lease)
    client.forwardOwner = guest.owner
    let open = try await guest.open(forwards, mayWait: request.isReturn ?? false)
    // It may have left meanwhile.
    guard isHere(client) else { return guest.close() }
    welcome(client, AttachReply(guest: id, lease: lease, forwards: open))
  }

  private func isHere(_ client: Client) -> Bool { clients[ObjectIdentifier(client)] != nil }

  private func welcome(_ client: Client, _ reply: AttachReply) {
    client.isAttached = true
    self.reply(reply, to: client)
  }

  private func reply(_ reply: AttachReply, to client: Client) {
    guard let bytes = try? JSONText.encode(reply) else { return }
    client.channel.post(bytes, on: loop)
  }

  /// Idempotent.
  /// - Parameter cause: what a guest that is attached is told.
  func end(
    _ client: Client, _ reason: String, saying cause: AttachFarewell.Cause? = nil
  ) {
    guard clients.removeValue(forKey: ObjectIdentifier(client)) != nil else { return }
    if let timer = client.timer { loop.cancel(timer) }
    if let cause, client.isAttached,
      let bytes = try? JSONText.encode(AttachFarewell(cause: cause, message: reason))
    {
      // A socket that is full belongs to a program that does not read: it sees the end.
      client.channel.post(bytes, on: loop)
    }
    client.channel.detach(from: loop)
    guard let (network, id) = client.guest else { return }
    if let owner = client.forwardOwner { network.forwards.set([], of: owner) }
    network.guestLeft(id, reason, tellHost: true)
  }
}
