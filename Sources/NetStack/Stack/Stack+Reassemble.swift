// SPDX-License-Identifier: Apache-2.0
//
// Fragments from a guest on their way to becoming packets (RFC 791 §3.2): each link has a
// Reassembler of its own, so that no guest can use up another's room. What it delivers
// stays where it is until the turn ends, as every other packet of the turn.

import PluginAPI

extension Stack {
  func receiveFragment(_ ip: IPv4Packet, from mac: MACAddress, on link: UInt32) {
    guard let services = core.services(of: link) else { return }
    let reassembler = services.reassembler ?? Reassembler(budget: fragmentBudget)
    services.reassembler = reassembler
    // The timer may be late by a slot of the wheel.
    reassembler.expire(now: core.now) { reportTimeout($0, on: link) }
    switch reassembler.add(Fragment(ip, from: mac), now: core.now) {
    case .incomplete:
      armReassemblyTimer(services, on: link)
    case .refused:
      core.links.pointer(link).pointee.counters.malformed &+= 1
    case .complete(let packet):
      reassembledLinks.append(link)
      guard let ip = IPv4Packet(checking: packet) else { return }
      dispatch(
        InboundPacket(
          link: link, sourceMAC: mac, source: ip.source, destination: ip.destination,
          proto: ip.protocolNumber, hopLimit: ip.timeToLive, payload: ip.payload,
          packet: ip.bytes, isChecksumTrusted: false))
    }
  }

  func onReassemblyTimer(_ token: EventToken) {
    let link = token.index
    guard core.links.isTaken(link, generation: token.generation),
      let services = core.services(of: link)
    else { return }
    services.reassemblyTimer = 0
    services.reassembler?.expire(now: core.now) { reportTimeout($0, on: link) }
    armReassemblyTimer(services, on: link)
  }

  /// Nothing points into the reassembled packets of this turn any more.
  @inline(__always)
  func releaseReassembled() {
    guard !reassembledLinks.isEmpty else { return }
    for link in reassembledLinks { core.services(of: link)?.reassembler?.releaseDelivered() }
    reassembledLinks.removeAll(keepingCapacity: true)
  }

  private func armReassemblyTimer(_ services: LinkServices, on link: UInt32) {
    guard services.reassemblyTimer == 0, let deadline = services.reassembler?.nextDeadline else {
      return
    }
    let token = EventToken(.fragments, index: link, generation: core.links.generation(link))
    services.reassemblyTimer = core.timers.schedule(at: deadline, token: token.rawValue)
  }

  private func reportTimeout(_ expired: Reassembler.Expired, on link: UInt32) {
    guard let ip = IPv4Packet(checking: expired.firstFragment) else { return }
    core.sendICMPError(
      quoting: expired.firstFragment, to: ip.source,
      mac: core.currentMAC(expired.sourceMAC, of: ip.source, on: link), on: link,
      from: core.config.isOwn(ip.destination) ? ip.destination : core.config.gateway,
      type: ICMPv4Type.timeExceeded, code: ICMPv4TimeExceeded.reassembly)
  }
}
