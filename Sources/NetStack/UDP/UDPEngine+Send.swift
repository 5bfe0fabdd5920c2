// SPDX-License-Identifier: Apache-2.0
//
// From the queues to the host's sockets, and the kernel's errors.

import LibC
import Wire

extension UDPEngine {
  /// Sends the datagrams queued during this callback.
  func endOfIteration() {
    while waiting != 0 {
      let index = waiting
      waiting = flows.pointer(index).pointee.nextWaiting
      flows.pointer(index).pointee.nextWaiting = 0
      flush(index)
    }
    forwards.sendReplies(outbox, stack.calls)
    outbox.reset()
  }

  private func flush(_ index: UInt32) {
    let flow = flows.pointer(index)
    var hasRetried = false
    while true {
      let outcome = outbox.send(
        &flow.pointee.queue, fd: flow.pointee.socket.fd, stack.calls,
        segmentation: flow.pointee.segmentation)
      guard case .refused(let code) = outcome else { return }
      switch code {
      case EAGAIN, ENOBUFS, ENOMEM:
        // The socket's buffer is full: the datagrams are dropped.
        counters.refused &+= UInt64(flow.pointee.queue.count)
        flow.pointee.queue = DatagramQueue()
        return
      case EINVAL, EIO, EMSGSIZE, EOPNOTSUPP:
        // Datagrams over the path's MTU, or a device without support: sent one by one.
        if flow.pointee.segmentation {
          flow.pointee.segmentation = false
          continue
        }
        drop(&flow.pointee.queue, code, flow, mtu: code == EMSGSIZE ? readErrors(index) : nil)
      default:
        // The error of an earlier datagram is reported once, by the next call. The error queue has it with all
        // details; a second refusal is about this datagram.
        if !hasRetried {
          hasRetried = true
          readErrors(index)
          continue
        }
        drop(&flow.pointee.queue, code, flow)
      }
      hasRetried = false
    }
  }

  /// Drops the first datagram and sends the guest an ICMP error.
  private func drop(
    _ queue: inout DatagramQueue, _ code: Int32, _ flow: UnsafeMutablePointer<UDPFlow>,
    mtu: UInt32? = nil
  ) {
    let datagram = outbox.first(queue)
    outbox.dropFirst(&queue)
    counters.refused &+= 1
    let guest = flow.pointee.guest
    guard
      let reason = code == EMSGSIZE
        ? mtu.map({ DeliveryFailure.tooBig(mtu: $0) })
        : DeliveryFailure(errno: code, isV4: guest.address.isV4)
    else { return }
    // The peer may have been evicted meanwhile.
    guard peers.isTaken(datagram.owner),
      peers.pointer(datagram.owner).pointee.target == datagram.destination
    else { return }
    let remote = peers.pointer(datagram.owner).pointee.remote
    // A host may have an address on only one of the loopbacks.
    if reason == .noRoute || reason == .port, triesOtherLoopback(datagram.owner, datagram.bytes) {
      return
    }
    counters.errors &+= 1
    stack.sendUDPError(
      about: datagram.bytes, from: guest, to: remote,
      mac: flow.pointee.guestMAC, on: flow.pointee.key.link,
      reporter: stack.config.gateway(for: guest.address),
      reason.message(isV4: guest.address.isV4))
  }
}
