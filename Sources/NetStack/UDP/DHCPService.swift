// SPDX-License-Identifier: Apache-2.0
//
// DHCP on every link: hands datagrams for port 67 to the link's DHCPServer and sends
// what it answers. On an isolated network each link has a server of its own, so that
// every guest can have the same address. Loop thread only; cold path.

import PluginAPI

/// The DHCP servers of a stack.
package final class DHCPService {
  package static let serverPort: UInt16 = 67

  private let stack: StackCore
  private let configuration: DHCPServer.Configuration
  private let policy: DHCPPolicy
  private var servers: [UInt32: DHCPServer] = [:]
  /// Called when a binding of a link changed.
  package var onChange: (() -> Void)?
  /// Whether a station may have an address, of which these are taken. Nil: every one may.
  package var admits: ((_ station: MACAddress, _ leases: [DHCPLease]) -> Bool)?
  private var exhaustionLog = RateLimit(burst: 1, interval: 60_000_000_000)
  /// Discoveries for which there was no address.
  package private(set) var exhausted: UInt64 = 0
  /// Messages understood, and answers sent.
  package private(set) var received: UInt64 = 0
  package private(set) var sent: UInt64 = 0

  /// - Parameter policy: of every link's server.
  package init(stack: StackCore, configuration: DHCPServer.Configuration, policy: DHCPPolicy) {
    self.stack = stack
    self.configuration = configuration
    self.policy = policy
  }

  private func server(_ link: UInt32) -> DHCPServer {
    if let server = servers[link] { return server }
    var own = configuration
    // Its own, or the configured one where the host knows none.
    own.mtu = UInt16(clamping: stack.links.pointer(link).pointee.mtu)
    return DHCPServer(configuration: own, policy: policy)
  }

  /// Whether a datagram for port 67 is for this server.
  func isFor(_ packet: InboundPacket) -> Bool {
    let destination = packet.destination
    return destination.isLimitedBroadcast || destination == configuration.serverAddress
      || destination == configuration.subnet.broadcast
  }

  /// A datagram for port 67. False when it is not for this server.
  func receive(_ packet: InboundPacket, _ payload: ByteView) -> Bool {
    guard isFor(packet) else { return false }
    received &+= 1
    var server = server(packet.link)
    if let admits, !admits(packet.sourceMAC, server.remembered) {
      noteExhausted(packet.sourceMAC, "its link has as many as one may have")
      return true
    }
    let revision = server.revision
    let before = server.exhausted
    let reply = server.handle(payload, receivedFrom: packet.sourceMAC, now: stack.now)
    servers[packet.link] = server
    if server.exhausted != before { noteExhausted(packet.sourceMAC) }
    // Before the answer goes out: who keeps bindings has this one when the guest uses it.
    if server.revision != revision { onChange?() }
    guard let reply else { return true }
    let length = reply.frameLength
    guard let room = stack.transmitter.prepare(link: packet.link, byteCount: length) else {
      return true
    }
    let written = reply.emitFrame(
      into: MutableByteView(room, count: length), sourceMAC: stack.config.gatewayMAC)
    guard written > 0 else { return true }
    sent &+= 1
    stack.transmitter.commit(headerLength: written)
    return true
  }

  private func noteExhausted(
    _ mac: MACAddress, _ reason: String = "all of the pool are leased or declined"
  ) {
    exhausted &+= 1
    guard exhaustionLog.take(now: stack.now) else { return }
    stack.host.log(
      UInt32(LND_LOG_WARN),
      "no address left for \(mac): \(reason) (\(exhausted) requests unanswered so far)"
    )
  }

  /// Changes the bindings of a link's server, by whatever `body` does.
  private func update<Result>(
    _ link: UInt32, _ body: (inout DHCPServer) -> Result
  ) -> Result {
    var server = server(link)
    let revision = server.revision
    let result = body(&server)
    servers[link] = server
    if server.revision != revision { onChange?() }
    return result
  }

  /// Takes up bindings of a server before this one.
  package func restore(_ leases: [DHCPLease], port: lnd_port) {
    let link = stack.link(of: port)
    guard link != 0 else { return }
    update(link) { $0.restore(leases) }
  }

  /// All bindings of a port's link, also those that are over and only remembered.
  package func remembered(port: lnd_port) -> [DHCPLease] {
    servers[stack.link(of: port)]?.remembered ?? []
  }

  /// A guest configured by hand is gone.
  package func cancelReservation(port: lnd_port, mac: MACAddress) {
    let link = stack.link(of: port)
    guard link != 0, servers[link] != nil else { return }
    let now = stack.host.nowNanoseconds()
    update(link) { $0.cancelReservation(of: DHCPClient(mac: mac), now: now) }
  }

  /// Gives a guest that is configured by hand what DHCP would give it. Nil when there is
  /// no address left, or no such link.
  package func reserve(port: lnd_port, mac: MACAddress, name: String) -> IPAddress? {
    let link = stack.link(of: port)
    guard link != 0 else { return nil }
    let now = stack.host.nowNanoseconds()
    let address = update(link) {
      $0.reserve(for: DHCPClient(mac: mac), hostname: name, now: now)
    }
    if address == nil { noteExhausted(mac) }
    return address
  }

  /// The bindings of all links that hold now, with the name of the link's guest.
  package func leases() -> [(lease: DHCPLease, name: String)] {
    let now = stack.host.nowNanoseconds()
    return servers.keys.sorted().flatMap { link in
      let name = stack.services(of: link)?.name ?? ""
      return (servers[link]?.leases(now: now) ?? []).map { ($0, name) }
    }
  }

  func linkDown(_ link: UInt32) { servers[link] = nil }
}
