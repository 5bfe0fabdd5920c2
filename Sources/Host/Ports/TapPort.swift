// SPDX-License-Identifier: Apache-2.0
//
// A TAP device opened with IFF_TAP | IFF_NO_PI, whose fd was passed to this process. With IFF_VNET_HDR (and a header
// of 12 bytes) GSO frames and partial checksums pass in both directions; without it the segmenter does that work.
//
// A TAP transfers one frame per system call. Frames are read in sequence into the shared arena, so that small ones
// use few pages, and delivered as one batch. Only a failed read shows that no more are waiting. A guest that waits
// for an answer to each frame sends one at a time: that read would delay its frame, so after a single frame most
// iterations read only once.
//
// Thread: loop only.

import LibC
import PluginAPI
import Wire

package final class TapPort: Port {
  /// Maximum frames read in one iteration, so that one guest cannot occupy the loop.
  private static let turn = 64
  /// Maximum consecutive iterations with one read.
  private static let loneTurns: UInt8 = 8
  /// EBADFD, which only Linux has: the device was deleted.
  static let noDevice: Int32 = 77
  /// ENOLINK, on Linux: a macvtap was deleted; its descriptor reports that only to writes.
  static let noLink: Int32 = 67
  /// Retry delay when the kernel had no memory, ns; it does not report when it has some again.
  static let retryDelay: UInt64 = 1_000_000

  let vnetHeader: Bool
  /// GSO frames and partial checksums may be sent; otherwise the segmenter does that work.
  let takesOffloads: Bool
  /// Whether the kernel accepts UDP GSO frames (Linux 6.2); determined by trying.
  var takesUDPSegments = true
  /// Why the last `sendDirectly` stopped.
  var stop = Outcome.full
  /// Remaining iterations with one read, and their number last time.
  private var lone: UInt8 = 0
  private var loneBefore: UInt8 = 0

  /// Takes ownership of `fd` and makes it non-blocking.
  /// - Parameter vnetHeader: the device has IFF_VNET_HDR with a header of 12 bytes, and delivers GSO frames.
  /// - Parameter takesOffloads: it also accepts GSO frames; false where the reader of the device does not use the
  ///   header (ovs-vswitchd).
  package init(
    _ options: PortOptions, fd: Int32, vnetHeader: Bool, takesOffloads: Bool = true,
    memory: PortMemory
  ) {
    self.vnetHeader = vnetHeader
    let takesAll = vnetHeader && takesOffloads
    self.takesOffloads = takesAll
    let all = LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 | LND_OFFLOAD_UDP_SEGMENT
    super.init(
      options, fd: fd, ownsFD: true, offloads: takesAll ? UInt32(all) : 0, memory: memory)
    _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
  }

  // MARK: Receiving

  package override func onReadable() {
    let arena = memory.arena
    let frames = memory.frames
    let header = vnetHeader ? VnetHeader.size : 0
    let largest = header + PortMemory.frameMax
    var used = 0
    var count = 0
    var reads = 0
    let limit = lone > 0 ? 1 : Self.turn
    if lone > 0 { lone &-= 1 }
    let allowance = rxGate.isActive ? receiveAllowance : .max
    while reads < limit, end == nil, used < allowance, !isReadPaused || reads == 0 {
      if used + largest > PortMemory.arenaBytes {
        deliver(frames, count)
        used = 0
        count = 0
        continue
      }
      let at = arena + used
      let n = read(fd, at, largest)
      if n < 0 {
        if errno == EINTR { continue }
        readFailed(errno)
        expectLone(reads == 1)
        break
      }
      reads &+= 1
      if reads == 2 { expectLone(false) }
      let length = n &- header
      guard length >= EthernetHeader.encodedLength else {
        counters.rxRunt &+= 1
        continue
      }
      if vnetHeader {
        guard VnetHeader.read(at, length: length, into: frames + count) else {
          counters.rxMalformed &+= 1
          continue
        }
      } else {
        // The sender's kernel has completed the checksums: there is no offload.
        frames[count] = lnd_frame(
          UnsafePointer(at), UInt32(truncatingIfNeeded: length), flags: LND_FRAME_CSUM_VALID)
      }
      count &+= 1
      used &+= (n &+ 15) & ~15
    }
    deliver(frames, count)
  }

  /// After a single frame: the next iterations, twice as many as last time, read once.
  @inline(__always)
  private func expectLone(_ isLone: Bool) {
    loneBefore = isLone ? min(Self.loneTurns, max(1, loneBefore &* 2)) : 0
    lone = loneBefore
  }

  private func readFailed(_ code: Int32) {
    switch code {
    case EAGAIN, ENOBUFS, ENOMEM: break
    case Self.noDevice, Self.noLink, EFAULT, ENODEV: finish(.closed)  // the device was deleted
    default: finish(.system(call: "read", errno: code))
    }
  }

  // MARK: Sending

  override func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    sendDirectly(frames, count)
  }

  override func enqueue(_ frame: UnsafePointer<lnd_frame>) { encode(frame) }

  override func awaitRoom() { wait(stop) }

  package override func onWritable() {
    guard end == nil else { return }
    let state = flushQueue()
    if state == .sent { announceRoom() }
    guard end == nil, !waitsForGate() else { return }
    wait(state == .exhausted ? .exhausted : queue.isEmpty && !owesReady ? .sent : .full)
  }
}
