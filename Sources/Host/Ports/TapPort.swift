// SPDX-License-Identifier: Apache-2.0
//
// A TAP device opened with IFF_TAP | IFF_NO_PI, its fd handed over. With
// IFF_VNET_HDR (and a header of 12 bytes) super-frames and unfinished checksums
// pass in both directions; without it the segmenter does that work.
//
// A TAP has one frame per system call. Reads go one behind the other into the
// shared arena, so small frames fill few pages, and are delivered as one batch.
// Only a read that fails tells that there is no more. A guest that waits for an
// answer to each frame sends one at a time: then that read would delay the one
// frame there is, and most turns do without it.
//
// Thread: loop only.

import PluginAPI
import Wire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package final class TapPort: Port {
  /// Frames read in one turn, so that one guest cannot keep the loop.
  private static let turn = 64
  /// Turns of one read that follow each other at most.
  private static let loneTurns: UInt8 = 8
  /// EBADFD, which only Linux has: the device was deleted.
  static let noDevice: Int32 = 77
  /// ENOLINK, as Linux has it: the same of a macvtap, whose descriptor says it to who writes alone.
  static let noLink: Int32 = 67
  /// When the kernel had no memory: it says nothing when it has some again.
  static let retryDelay: UInt64 = 1_000_000

  let vnetHeader: Bool
  /// Super-frames and unfinished checksums may go out; else the segmenter does that work.
  let takesOffloads: Bool
  /// Whether the kernel takes UDP super-frames (Linux 6.2); found out by trying.
  var takesUDPSegments = true
  /// What stopped the last `sendDirectly`.
  var stop = Outcome.full
  /// Turns still to come that read once, and how many there were last time.
  private var lone: UInt8 = 0
  private var loneBefore: UInt8 = 0

  /// Takes over `fd`, which becomes non-blocking.
  /// - Parameter vnetHeader: the device has IFF_VNET_HDR with a header of 12
  ///   bytes, and gives super-frames.
  /// - Parameter takesOffloads: it takes them, too; false where what reads our frames from the
  ///   device does so without the header (ovs-vswitchd).
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
        // The sender's kernel completed the checksums: there is no offload.
        frames[count] = lnd_frame(
          UnsafePointer(at), UInt32(truncatingIfNeeded: length), flags: LND_FRAME_CSUM_VALID)
      }
      count &+= 1
      used &+= (n &+ 15) & ~15
    }
    deliver(frames, count)
  }

  /// One frame alone was read (or more): twice as many turns as before read once.
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
