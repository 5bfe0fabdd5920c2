// SPDX-License-Identifier: Apache-2.0
//
// An address that is new to a client is probed by ARP before it is offered (RFC 2131 §2.2, §4.4.1): a station may use
// it by manual configuration. The discover waits for up to 200 ms meanwhile; not where there is no other station, nor
// for a client's existing address. An address that its guest leased under another Ethernet address
// (DHCPServer+Change.swift) is probed likewise before a request moves it; ARP from the new one moves it at once.
//
// A guest that the host configures (`reserve`) cannot wait: the next free address is probed in advance, when a
// station appears. Loop thread only; cold path.

import Wire

/// A discover that is handled again after its probe.
struct WaitingDiscovery {
  var link: UInt32
  var message: [UInt8]
  var deadline: UInt64
  var rounds = 0
}

extension DHCPService {
  /// Maximum waiting discovers, and how often one may wait.
  private static let maximumWaiting = 256
  private static let maximumRounds = 16
  /// Handled in one iteration of the loop.
  private static let perTurn = 16

  /// Whether an address is unused, as far as is known; starts a probe if it is not known.
  func proof(of address: IPAddress, for client: MACAddress, on link: UInt32) -> DHCPProof {
    if isAlone?(client) ?? true { return .unused }
    switch probes.outcome(of: address, for: client, now: stack.now, trustsAhead: isReserving) {
    case .unused?:
      // The station known under it is gone.
      stack.forgetNeighbor(address, unless: client, on: link)
      return .unused
    case let outcome?: return outcome
    case nil:
      ask(address, on: link, isAhead: false)
      return .pending
    }
  }

  private func ask(_ address: IPAddress, on link: UInt32, isAhead: Bool) {
    probes.asked(address, now: stack.now, isAhead: isAhead)
    stack.askFor(address, on: link)
  }

  /// ARP from a station that uses an address.
  func heard(_ address: IPAddress, from mac: MACAddress, on link: UInt32) {
    if !probes.isEmpty { probes.heard(address, from: mac) }
    if isOneGuest != nil { follow(address, to: mac, on: link) }
  }

  /// Minimum interval between moves of an address among a guest's stations, nanoseconds.
  private static let changeInterval: UInt64 = 1_000_000_000

  /// A guest that changed its Ethernet address keeps its lease.
  private func follow(_ address: IPAddress, to mac: MACAddress, on link: UInt32) {
    guard let known = stack.services(of: link)?.neighbors.find(address), known != mac,
      servers[link] != nil
    else { return }
    if let last = changes[address], stack.now &- last < Self.changeInterval { return }
    let now = stack.elapsed
    guard update(link, { $0.follow(address, to: DHCPClient(mac: mac), now: now) }) else { return }
    changes[address] = stack.now
    stack.bindNeighbor(address, to: mac, on: link)
  }

  /// A station has appeared: probes the next address to be assigned.
  package func askAhead(port: PortID) {
    let link = stack.link(of: port)
    guard link != 0, let server = servers[link], isAlone != nil, aheadLimit.take(now: stack.now),
      let next = server.address(for: DHCPClient(mac: .zero), requested: nil, now: stack.elapsed),
      probes.outcome(of: next, for: .zero, now: stack.now, trustsAhead: true) == nil
    else { return }
    ask(next, on: link, isAhead: true)
  }

  func wait(_ payload: ByteView, from mac: MACAddress, on link: UInt32) {
    let rounds = waiting[mac]?.rounds ?? 0
    guard rounds < Self.maximumRounds, rounds > 0 || waiting.count < Self.maximumWaiting else {
      waiting[mac] = nil
      return
    }
    waiting[mac] = WaitingDiscovery(
      link: link, message: payload.bytes, deadline: stack.now &+ AddressProbes.wait,
      rounds: rounds + 1)
    armWait()
  }

  private func armWait() {
    guard waitTimer == 0, let next = waiting.values.map(\.deadline).min() else { return }
    // The others that are due follow in the next iteration.
    waitTimer = stack.timers.schedule(
      at: max(next, stack.now &+ 1_000_000),
      token: EventToken(.dhcp, index: 0, generation: 0).rawValue)
  }

  func onTimer() {
    waitTimer = 0
    let now = stack.now
    let due = Array(waiting.lazy.filter { $0.value.deadline <= now }.prefix(Self.perTurn))
    for (mac, discovery) in due {
      // Kept while it is handled, so that its rounds are counted.
      discovery.message.withByteView { handle($0, from: mac, on: discovery.link) }
      if waiting[mac]?.deadline == discovery.deadline { waiting[mac] = nil }
    }
    armWait()
  }
}
