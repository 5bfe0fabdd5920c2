// SPDX-License-Identifier: Apache-2.0
//
// Receives up to 64 datagrams in one call into the shared memory. Small ones lie
// 2 KiB apart; a larger one continues in an area of its own, in front of which
// there is room for its head, so that every frame ends up in one piece and only
// large frames cost (a copy of 2 KiB).
//
// Thread: loop only.

import CPlatform
import Platform
import PluginAPI
import Wire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

private let truncated = Int32(MSG_TRUNC)

extension PortMemory {
  /// Points the messages at their memory, once.
  func prepareDatagrams() {
    for i in 0..<Self.datagrams {
      let pieces = receivedPieces + 2 * i
      pieces[0] = iovec(iov_base: heads + i * Self.headBytes, iov_len: Self.headBytes)
      pieces[1] = iovec(
        iov_base: tails + i * Self.tailStride + Self.headBytes,
        iov_len: Self.frameMax - Self.headBytes)
      received[i].header.msg_iov = pieces
      received[i].header.msg_iovlen = 2
    }
  }

  /// How many datagrams came, or -errno.
  /// - Parameter named: whether to note where they came from, in `addresses`.
  func receiveDatagrams(_ fd: Int32, named: Bool) -> Int {
    for i in 0..<Self.datagrams {
      received[i].header.msg_name = named ? UnsafeMutableRawPointer(addresses + i) : nil
      received[i].header.msg_namelen =
        named ? socklen_t(MemoryLayout<sockaddr_un>.size) : 0
    }
    return Sockets.receiveBatch(fd, received, UInt32(Self.datagrams))
  }

  /// Makes a frame of datagram `i`; false (counted) when it is none.
  @inline(__always)
  func frame(
    _ i: Int, into frame: UnsafeMutablePointer<lnd_frame>, counters: inout PortCounters
  ) -> Bool {
    let length = Int(received[i].length)
    if length < EthernetHeader.encodedLength {
      counters.rxRunt &+= 1
      return false
    }
    if received[i].header.msg_flags & truncated != 0 {
      counters.rxOversize &+= 1
      return false
    }
    var data = heads + i &* Self.headBytes
    if length > Self.headBytes {
      let whole = tails + i &* Self.tailStride
      memcpy(whole, data, Self.headBytes)
      data = whole
    }
    frame.pointee = lnd_frame(
      UnsafePointer(data), UInt32(truncatingIfNeeded: length), flags: LND_FRAME_CSUM_VALID)
    return true
  }
}
