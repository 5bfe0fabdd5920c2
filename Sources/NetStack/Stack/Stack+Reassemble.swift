// SPDX-License-Identifier: Apache-2.0
//
// Fragments from a guest on their way to becoming packets (RFC 791 §3.2): each guest has a
// Reassembler of its own, so that none can use up another's room. What it delivers
// stays where it is until the iteration ends, as every other packet of the iteration.

import Wire

extension Stack {
  func receiveFragment(_ ip: IPv4Packet, from mac: MACAddress, on link: UInt32) {
    let share = core.shares.of(link, mac)
    let own = core.shares.reassembly(share) { Reassembler(budget: fragmentBudget) }
    // The timer may be late by a slot of the wheel.
    own.reassembler.expire(now: core.now) { reportTimeout($0, of: share) }
    let outcome = own.reassembler.add(Fragment(ip, from: mac), now: core.now)
    core.shares.pointer(share).pointee.fragmentBytes = own.reassembler.pending.bytes
    switch outcome {
    case .incomplete:
      armReassemblyTimer(own, of: share)
    case .refused:
      core.links.pointer(link).pointee.counters.malformed &+= 1
    case .complete(let packet):
      reassembledShares.append(share)
      guard let ip = IPv4Packet(checking: packet) else { return }
      dispatch(
        InboundPacket(
          link: link, sourceMAC: mac, source: ip.source, destination: ip.destination,
          proto: ip.protocolNumber, hopLimit: ip.timeToLive, payload: ip.payload,
          packet: ip.bytes, isChecksumTrusted: false))
    }
  }

  func onReassemblyTimer(_ token: EventToken) {
    let share = token.index
    guard core.shares.isTaken(share, generation: token.generation),
      let own = core.shares.reassembly(share)
    else { return }
    own.timer = 0
    own.reassembler.expire(now: core.now) { reportTimeout($0, of: share) }
    core.shares.pointer(share).pointee.fragmentBytes = own.reassembler.pending.bytes
    armReassemblyTimer(own, of: share)
  }

  /// Nothing points into the reassembled packets of this iteration any more.
  @inline(__always)
  func releaseReassembled() {
    guard !reassembledShares.isEmpty else { return }
    for share in reassembledShares { core.shares.reassembly(share)?.reassembler.releaseDelivered() }
    reassembledShares.removeAll(keepingCapacity: true)
  }

  /// The link is gone, and with it what its guests have not sent whole.
  func endReassembly(on link: UInt32) {
    core.shares.forEach { share in
      guard core.shares.pointer(share).pointee.link == link,
        let own = core.shares.reassembly(share)
      else { return }
      core.timers.cancel(own.timer)
      own.timer = 0
    }
  }

  /// Stations are gone, and with them what their guests have not sent whole.
  func endReassembly(of stations: Set<MACAddress>, on link: UInt32) {
    for mac in stations {
      let share = core.shares.of(link, mac)
      // Number 0 is that of several guests.
      guard share != 0, let own = core.shares.reassembly(share) else { continue }
      core.timers.cancel(own.timer)
      core.shares.endReassembly(share)
    }
  }

  private func armReassemblyTimer(_ own: ShareTable.Reassembly, of share: UInt32) {
    guard own.timer == 0, let deadline = own.reassembler.nextDeadline else { return }
    let token = EventToken(.fragments, index: share, generation: core.shares.generation(share))
    own.timer = core.timers.schedule(at: deadline, token: token.rawValue)
  }

  private func reportTimeout(_ expired: Reassembler.Expired, of share: UInt32) {
    let link = core.shares.pointer(share).pointee.link
    guard core.links.isTaken(link), let ip = IPv4Packet(checking: expired.firstFragment) else {
      return
    }
    core.sendICMPError(
      quoting: expired.firstFragment, to: ip.source,
      mac: core.currentMAC(expired.sourceMAC, of: ip.source, on: link), on: link,
      from: core.config.isOwn(ip.destination) ? ip.destination : core.config.gateway,
      type: ICMPv4Type.timeExceeded, code: ICMPv4TimeExceeded.reassembly)
  }
}
