// SPDX-License-Identifier: Apache-2.0
//
// Fragments from guests on their way to becoming packets (RFC 791 §3.2). What is delivered
// stays where it is until the turn ends, as every other packet of the turn.

import PluginAPI

extension Stack {
  func receiveFragment(_ ip: IPv4Packet, from mac: MACAddress, on link: UInt32) {
    let outcome = fragments.add(Fragment(ip, from: mac), on: link, now: core.now) {
      reportTimeout($1, on: $0.link)
    }
    switch outcome {
    case .incomplete:
      armReassemblyTimer()
    case .refused:
      core.links.pointer(link).pointee.counters.malformed &+= 1
    case .complete(let packet):
      guard let ip = IPv4Packet(checking: packet) else { return }
      dispatch(
        InboundPacket(
          link: link, sourceMAC: mac, source: ip.source, destination: ip.destination,
          proto: ip.protocolNumber, hopLimit: ip.timeToLive, payload: ip.payload,
          packet: ip.bytes, isChecksumTrusted: false))
    }
  }

  func onReassemblyTimer() {
    reassemblyTimer = 0
    fragments.expire(now: core.now) { reportTimeout($1, on: $0.link) }
    armReassemblyTimer()
  }

  private func armReassemblyTimer() {
    guard reassemblyTimer == 0, let deadline = fragments.nextDeadline else { return }
    let token = EventToken(.fragments, index: 0, generation: 0)
    reassemblyTimer = core.timers.schedule(at: deadline, token: token.rawValue)
  }

  /// After stations or links were forgotten.
  func settleReassembly() {
    guard reassemblyTimer != 0, fragments.nextDeadline == nil else { return }
    core.timers.cancel(reassemblyTimer)
    reassemblyTimer = 0
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
