// SPDX-License-Identifier: Apache-2.0
//
// CheckedFrame: checks a plugin's frame against the rules of lnd_plugin.h.

import Platform
import PluginAPI

enum CheckedFrame {
  struct Problem: Error {
    var text: String
    init(_ text: String) { self.text = text }
  }

  /// The frame's bytes, contiguous.
  static func read(_ frame: lnd_frame) -> Result<[UInt8], Problem> {
    let length = Int(frame.length)
    guard length >= 14, length <= Int(LND_FRAME_MAX) else {
      return .failure(
        Problem("a frame of \(length) bytes was sent; 14 to \(LND_FRAME_MAX) are allowed"))
    }
    guard let data = frame.data else { return .failure(Problem("a frame without data was sent")) }
    var bytes: [UInt8] = []
    if frame.flags & LND_FRAME_SLICES != 0 {
      guard (1...LND_FRAME_MAX_SLICES).contains(frame.slices) else {
        return .failure(
          Problem("a frame of \(frame.slices) slices was sent; 1 to 64 are allowed"))
      }
      let slices = UnsafeRawPointer(data).assumingMemoryBound(to: lnd_slice.self)
      for slice in UnsafeBufferPointer(start: slices, count: Int(frame.slices)) {
        guard slice.length <= UInt64(length) else { return .failure(Problem(Self.sum)) }
        bytes += UnsafeBufferPointer(start: slice.data, count: Int(slice.length))
      }
      guard bytes.count == length else { return .failure(Problem(Self.sum)) }
    } else {
      bytes = Array(UnsafeBufferPointer(start: data, count: length))
    }
    let isSuper = frame.gso_type != UInt16(LND_GSO_NONE)
    if isSuper || frame.flags & LND_FRAME_NEEDS_CSUM != 0 {
      guard Int(frame.csum_start) + Int(frame.csum_offset) + 2 <= length, frame.csum_start >= 14
      else { return .failure(Problem("a frame was sent whose checksum lies outside of it")) }
    }
    if isSuper, frame.gso_size < LND_GSO_SIZE_MIN || Int(frame.hdr_len) >= length {
      return .failure(
        Problem(
          "a super-frame was sent with gso_size below \(LND_GSO_SIZE_MIN), or headers as long as it is"
        ))
    }
    if let fault = withUnsafePointer(to: frame, { $0.fault }) {
      return .failure(Problem("a frame was sent that breaks a rule: \(fault.text)"))
    }
    return .success(bytes)
  }

  private static let sum = "a frame was sent whose slices do not add up to its length"
}
