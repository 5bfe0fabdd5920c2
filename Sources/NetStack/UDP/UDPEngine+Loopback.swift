// SPDX-License-Identifier: Apache-2.0
//
// The host's loopback has an address of each family, and a service may be on one of them only. A guest that
// asks the gateway is led to the loopback of its own family first, and to the other when nobody is there.
//
// A socket is of one family: what goes to the other loopback has a flow of its own, with the same endpoint of the
// guest (UDPFlow.key.remote says the family). When nobody is there either the guest is told, and its next datagram
// begins anew.

import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension UDPEngine {
  /// What an ICMP error quotes of a datagram (Linux: 576 bytes of IPv4 with all headers, 1280 of IPv6): a payload as long
  /// as this may have been longer.
  private static let mostQuotedV4 = 576 - 20 - 8 - 20 - 8
  private static let mostQuotedV6 = 1280 - 40 - 8 - 40 - 8

  /// Whether an error about a datagram to the host's loopback has led to the other one; then the guest is not told.
  /// - Parameter index: the flow that the error is of.
  func triesOtherLoopback(_ report: SocketErrorReport, of index: UInt32, _ seen: Endpoint) -> Bool {
    guard report.isRefusal, report.destination.address.isLoopback else { return false }
    var key = flows.pointer(index).pointee.key
    key.remote = seen.address
    key.remotePort = seen.port
    let peer = peerTable.find(key)
    guard peer != 0, peers.pointer(peer).pointee.flow == index else { return false }
    let most = report.destination.address.isV4 ? Self.mostQuotedV4 : Self.mostQuotedV6
    // One that was cut is not sent again: the guest will.
    return triesOtherLoopback(peer, report.payload.count < most ? report.payload : nil)
  }

  /// Leads a peer on the host's loopback to the other family's, if it was not there yet; false when it was, and then
  /// it is forgotten.
  /// - Parameter payload: of the datagram that found nobody, which is sent again; borrowed.
  func triesOtherLoopback(_ peer: UInt32, _ payload: ByteView?) -> Bool {
    let known = peers.pointer(peer).pointee
    guard known.isLoopback else { return false }
    guard known.target.address.isV4 == known.key.guest.isV4 else {
      closePeer(peer)
      return false
    }
    let flow = flows.pointer(known.flow)
    let origin = FlowOrigin(
      mac: flow.pointee.guestMAC, hopLimit: 64, trafficClass: flow.pointee.socket.trafficClass)
    let share = flow.pointee.share
    closePeer(peer)
    let target = known.target.onOtherLoopback
    guard
      let other = openPeer(known.key, target: target, isLoopback: true, origin, share)
    else { return false }
    let fd = self.flow(of: other).pointee.socket.fd
    guard let payload else { return true }
    guard send(payload, fd, to: target) >= 0 else {
      closePeer(other)
      return false
    }
    return true
  }

  private func send(_ bytes: ByteView, _ fd: Int32, to target: Endpoint) -> Int {
    var vector = iovec(
      iov_base: UnsafeMutableRawPointer(mutating: bytes.base), iov_len: bytes.count)
    return SocketAddress(target).withSockaddr { address, size in
      withUnsafeMutablePointer(to: &vector) { vector in
        var header = msghdr()
        header.msg_name = UnsafeMutableRawPointer(mutating: address)
        header.msg_namelen = size
        header.msg_iov = vector
        header.msg_iovlen = 1
        return stack.calls.sendMessage(stack.calls.context, fd, &header, 0)
      }
    }
  }
}
