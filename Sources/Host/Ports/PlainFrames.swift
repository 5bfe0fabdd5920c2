// SPDX-License-Identifier: Apache-2.0
//
// Converts frames for a receiver without offloads: contiguous, checksums complete, no GSO frames. A frame that is
// already so is passed by reference; the others are assembled in a buffer. In order, in batches.
//
// Thread: loop only. Not reentrant: the receiver must not call the same object.

import LibC
import PluginAPI

final class PlainFrames {
  private static let batch = 256
  private static let bytes = 512 << 10

  private let buffer: UnsafeMutablePointer<UInt8>
  private let frames: UnsafeMutablePointer<lnd_frame>
  private let out = SendMemory()
  private var used = 0
  private var count = 0
  /// Frames whose fields contradict their contents; they were dropped.
  private(set) var malformed: UInt64 = 0

  init() {
    buffer = .allocate(capacity: Self.bytes)
    frames = .allocate(capacity: Self.batch)
    frames.initialize(repeating: lnd_frame(), count: Self.batch)
  }

  deinit {
    buffer.deallocate()
    frames.deallocate()
    out.deallocate()
  }

  /// Whether a receiver can take a frame unchanged.
  /// - Parameter offloads: LND_OFFLOAD_* that it supports.
  @inline(__always)
  static func suits(_ frame: UnsafePointer<lnd_frame>, _ offloads: UInt32) -> Bool {
    if frame.pointee.flags & LND_FRAME_SLICES != 0 { return false }
    let needed: UInt32
    switch UInt32(frame.pointee.gso_type) {
    case LND_GSO_NONE:
      if frame.pointee.flags & LND_FRAME_NEEDS_CSUM == 0 { return true }
      needed = LND_OFFLOAD_CSUM
    case LND_GSO_TCPV4: needed = LND_OFFLOAD_TSO4
    case LND_GSO_TCPV6: needed = LND_OFFLOAD_TSO6
    default: needed = LND_OFFLOAD_UDP_SEGMENT
    }
    return offloads & needed != 0
  }

  /// Passes the frames on; each batch is borrowed for the call of `body`.
  func adapt(
    _ given: UnsafePointer<lnd_frame>, _ number: Int, offloads: UInt32,
    _ body: (UnsafePointer<lnd_frame>, Int) -> Void
  ) {
    for i in 0..<number {
      let frame = given + i
      if Self.suits(frame, offloads) {
        take(frame.pointee, body)
        continue
      }
      let shape = frame.shape
      let fits = offloads != 0 && frame.pointee.flags & LND_FRAME_SLICES != 0
      if shape == .plain || fits && shape != .malformed && Self.suitsFlat(frame, offloads) {
        flatten(frame, body)
      } else if shape == .malformed {
        malformed &+= 1
      } else if var segmenter = Segmenter(frame, shape, template: out.template) {
        while !segmenter.isDone { cut(&segmenter, frame.pointee.source, body) }
      } else {
        malformed &+= 1
      }
    }
    flush(body)
  }

  /// As `suits`, without regard to slices.
  private static func suitsFlat(_ frame: UnsafePointer<lnd_frame>, _ offloads: UInt32) -> Bool {
    var flat = frame.pointee
    flat.flags &= ~LND_FRAME_SLICES
    return withUnsafePointer(to: flat) { suits($0, offloads) }
  }

  private func flatten(
    _ frame: UnsafePointer<lnd_frame>, _ body: (UnsafePointer<lnd_frame>, Int) -> Void
  ) {
    let length = Int(frame.pointee.length)
    let to = room(length, body)
    var reader = PieceReader(frame)
    reader.copy(length, into: to)
    var flat = frame.pointee
    flat.data = UnsafePointer(to)
    flat.slices = 0
    flat.flags &= ~LND_FRAME_SLICES
    used &+= length
    take(flat, body)
  }

  private func cut(
    _ segmenter: inout Segmenter, _ source: lnd_port,
    _ body: (UnsafePointer<lnd_frame>, Int) -> Void
  ) {
    let to = room(PortMemory.frameMax, body)
    let header = segmenter.headerLength
    let (bytes, pieces) = out.next(&segmenter, header: to, pieces: out.pieces)
    var at = header
    for i in 0..<pieces {
      guard let base = out.pieces[i].iov_base else { continue }
      memcpy(to + at, base, out.pieces[i].iov_len)
      at &+= out.pieces[i].iov_len
    }
    var frame = lnd_frame(
      UnsafePointer(to), UInt32(truncatingIfNeeded: bytes), flags: LND_FRAME_CSUM_VALID)
    frame.source = source
    used &+= bytes
    take(frame, body)
  }

  /// Space for `size` bytes.
  private func room(
    _ size: Int, _ body: (UnsafePointer<lnd_frame>, Int) -> Void
  ) -> UnsafeMutablePointer<UInt8> {
    if used &+ size > Self.bytes { flush(body) }
    return buffer + used
  }

  private func take(_ frame: lnd_frame, _ body: (UnsafePointer<lnd_frame>, Int) -> Void) {
    frames[count] = frame
    count &+= 1
    if count == Self.batch { flush(body) }
  }

  private func flush(_ body: (UnsafePointer<lnd_frame>, Int) -> Void) {
    let ready = count
    count = 0
    if ready > 0 { body(UnsafePointer(frames), ready) }
    used = 0
  }
}
