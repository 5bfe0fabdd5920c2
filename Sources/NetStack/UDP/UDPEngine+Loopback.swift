// SPDX-License-Identifier: Apache-2.0
//
// The host's loopback has an address of each family, and a service may listen on one of them only. A guest's datagram
// to the gateway goes to the loopback of its own family first, and to the other when the port is unreachable there.
//
// A socket is of one family: datagrams to the other loopback have a flow of their own, with the same endpoint of the
// guest (UDPFlow.key.remote gives the family). When the port is unreachable there, too, the guest gets the error, and
// its next datagram starts over.

import LibC
import Wire

extension UDPEngine {
  /// Bytes of a datagram that an ICMP error quotes (Linux: 576 bytes of IPv4 with all headers, 1280 of IPv6): a
  /// payload of this length may be truncated.
  private static let mostQuotedV4 = 576 - 20 - 8 - 20 - 8
  private static let mostQuotedV6 = 1280 - 40 - 8 - 40 - 8

  /// Whether an error about a datagram to the host's loopback made the engine try the other one; then the guest gets
  /// no error.
  /// - Parameter index: the flow of the error.
  func triesOtherLoopback(_ report: SocketErrorReport, of index: UInt32, _ seen: Endpoint) -> Bool {
    guard report.isRefusal, report.destination.address.isLoopback else { return false }
    var key = flows.pointer(index).pointee.key
    key.remote = seen.address
    key.remotePort = seen.port
    let peer = peerTable.find(key)
    guard peer != 0, peers.pointer(peer).pointee.flow == index else { return false }
    let most = report.destination.address.isV4 ? Self.mostQuotedV4 : Self.mostQuotedV6
    // A truncated datagram is not sent again: the guest will.
    return triesOtherLoopback(peer, report.payload.count < most ? report.payload : nil)
  }

  /// Moves a peer on the host's loopback to the other family's, if that was not tried yet; otherwise returns false
  /// and the peer ends.
  /// - Parameter payload: of the datagram that was refused, which is sent again; borrowed.
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
