// SPDX-License-Identifier: Apache-2.0
//
// New egress rules apply to existing flows, too: each flow that a guest began is checked again, in parts, and ended
// if it is denied now. A TCP connection of a guest is reset; for UDP the guest's next datagram gets an error.

import Wire

/// The progress of the check since the rules changed.
struct EgressSweep {
  /// Maximum slots checked per millisecond, and maximum flows ended: each costs some system calls.
  static let slots: UInt32 = 1024
  static let endings = 64

  /// The next slots; 0: done.
  var tcp: UInt32 = 0
  var udp: UInt32 = 0

  var isDone: Bool { tcp == 0 && udp == 0 }
}

extension Stack {
  /// Replaces the rules. Flows that they deny end within milliseconds.
  public func setEgress(_ policy: EgressPolicy) {
    guard policy != core.egress.policy else { return }
    core.now = core.host.nowNanoseconds()
    core.egress.policy = policy
    let isUnderWay = !egressSweep.isDone
    egressSweep = EgressSweep(tcp: 1, udp: 1)
    if !isUnderWay { sweepEgress() }
    endOfIteration()
  }

  /// Other limits of each guest.
  public func setLimits(_ limits: GuestLimits) { core.setLimits(limits) }

  func sweepEgress() {
    var left = EgressSweep.endings
    if egressSweep.tcp != 0 { egressSweep.tcp = tcp.endDenied(from: egressSweep.tcp, &left) }
    if egressSweep.udp != 0 { egressSweep.udp = udp.endDenied(from: egressSweep.udp, &left) }
    guard !egressSweep.isDone else { return }
    _ = core.timers.schedule(
      at: core.now &+ 1_000_000, token: EventToken(.egress, index: 0, generation: 0).rawValue)
  }
}

extension TCPEngine {
  /// Ends flows that guests began and that are denied now.
  /// - Returns: the next slot to check; 0: all were checked.
  func endDenied(from start: UInt32, _ left: inout Int) -> UInt32 {
    var index = start
    let end = min(flows.endIndex, start &+ EgressSweep.slots)
    while index < end, left > 0 {
      if flows.isTaken(index) {
        let flow = flows.pointer(index)
        if flow.pointee.state != .closed, flow.pointee.flags.contains(.isCounted),
          stack.endsDenied(
            proto: IPProtocol.tcp,
            to: Endpoint(flow.pointee.key.remote, port: flow.pointee.key.remotePort),
            guest: flow.pointee.key.guest, mac: flow.pointee.guestMAC,
            link: flow.pointee.key.link)
        {
          resetGuest(flow)
          left -= 1
        }
      }
      index &+= 1
    }
    return index < flows.endIndex ? index : 0
  }
}

extension UDPEngine {
  /// The same. A socket that the guest's port still uses for allowed destinations stays open.
  func endDenied(from start: UInt32, _ left: inout Int) -> UInt32 {
    var index = start
    let end = min(peers.endIndex, start &+ EgressSweep.slots)
    while index < end, left > 0 {
      if peers.isTaken(index) {
        let peer = peers.pointer(index)
        let flow = flows.pointer(peer.pointee.flow)
        if stack.endsDenied(
          proto: IPProtocol.udp, to: peer.pointee.remote, guest: peer.pointee.key.guest,
          mac: flow.pointee.guestMAC, link: peer.pointee.key.link)
        {
          closePeer(index)
          left -= 1
        }
      }
      index &+= 1
    }
    return index < peers.endIndex ? index : 0
  }
}
