// SPDX-License-Identifier: Apache-2.0
//
// Receives up to 64 datagrams with one system call into the shared memory. The first 2 KiB of each lie 2 KiB apart;
// the rest of a larger one goes to an area of its own with a gap of 2 KiB in front, into which the beginning is
// copied. So every frame is contiguous, and only large frames cost a copy (of 2 KiB).
//
// Thread: loop only.

import LibC
import CPlatform
import Platform
import PluginAPI
import Wire

private let truncated = Int32(MSG_TRUNC)

extension PortMemory {
  /// Initialises the message headers, once.
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

  /// Returns the number of received datagrams, or -errno.
  /// - Parameter named: whether to store the source addresses in `addresses`.
  func receiveDatagrams(_ fd: Int32, named: Bool) -> Int {
    for i in 0..<Self.datagrams {
      received[i].header.msg_name = named ? UnsafeMutableRawPointer(addresses + i) : nil
      received[i].header.msg_namelen =
        named ? socklen_t(MemoryLayout<sockaddr_un>.size) : 0
    }
    return Sockets.receiveBatch(fd, received, UInt32(Self.datagrams))
  }

  /// Makes a frame of datagram `i`; false (and counted) when it is not a valid frame.
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
