// SPDX-License-Identifier: Apache-2.0
//
// The bytes that a port has not sent yet, in wire format. Its users enforce the bound: beyond `limit` they refuse or
// drop frames; the encoding of one frame may exceed it, but never `capacity`.
//
// Thread: loop only. Reserves memory at its first use and keeps it; frames held back for the rest of an iteration are
// in a buffer lent by PortMemory.

import LibC

struct SendQueue: ~Copyable {
  /// Bytes above which no further frame is accepted.
  static let limit = 256 << 10
  /// `limit` and the largest encoding accepted below it: a GSO frame cut into 2048 segments, each with headers of
  /// `Segmenter.headerMax` and a length field.
  static let capacity = limit + PortMemory.frameMax + 2048 * (Segmenter.headerMax + 4)

  /// Bytes of a lent buffer.
  static let loanBytes = 40 << 10

  private var storage: UnsafeMutablePointer<UInt8>?
  private var isLoan = false
  private var head = 0
  private var tail = 0

  deinit { storage?.deallocate() }

  @inline(__always) var count: Int { tail &- head }
  @inline(__always) var isEmpty: Bool { head == tail }
  /// Whether a waiting sender should go on: with half the queue free.
  @inline(__always) var isRelaxed: Bool { count <= Self.limit / 2 }

  /// The first `count` bytes. Precondition: not empty.
  @inline(__always) var bytes: UnsafeMutablePointer<UInt8> {
    storage.unsafelyUnwrapped + head
  }

  /// Extends the queue by `size` bytes, which the caller writes; nil when they do not fit.
  mutating func extend(_ size: Int) -> UnsafeMutablePointer<UInt8>? {
    let capacity = isLoan ? Self.loanBytes : Self.capacity
    guard size >= 0, count + size <= capacity else { return nil }
    let base: UnsafeMutablePointer<UInt8>
    if let storage {
      base = storage
    } else {
      base = .allocate(capacity: Self.capacity)
      storage = base
    }
    if tail + size > capacity {
      memmove(base, base + head, count)
      tail -= head
      head = 0
    }
    defer { tail &+= size }
    return base + tail
  }

  /// Whether it has no memory of its own, so that a lent buffer would spare it.
  var wantsLoan: Bool { storage == nil }

  /// Precondition: `chunk` has `loanBytes`. The queue uses it until `settle`.
  mutating func lend(_ chunk: UnsafeMutablePointer<UInt8>) {
    storage = chunk
    isLoan = true
  }

  /// Returns the lent buffer, if there is one. Bytes still in it are copied to the queue's own memory.
  mutating func settle() -> UnsafeMutablePointer<UInt8>? {
    guard isLoan, let chunk = storage else { return nil }
    let (rest, size) = (chunk + head, count)
    storage = nil
    isLoan = false
    removeAll()
    if size > 0 { _ = append(rest, size) }
    return chunk
  }

  mutating func append(_ bytes: UnsafeRawPointer, _ size: Int) -> Bool {
    guard let room = extend(size) else { return false }
    memcpy(room, bytes, size)
    return true
  }

  mutating func consume(_ size: Int) {
    head &+= size
    if head >= tail {
      head = 0
      tail = 0
    }
  }

  mutating func removeAll() {
    head = 0
    tail = 0
  }
}

/// Records: a length (4 bytes, native order) and that many bytes.
extension SendQueue {
  /// Appends `count` iovecs as one record; false when they do not fit.
  mutating func appendRecord(_ pieces: UnsafePointer<iovec>, _ count: Int) -> Bool {
    var length = 0
    for i in 0..<count { length += pieces[i].iov_len }
    guard var to = extend(length + 4) else { return false }
    UnsafeMutableRawPointer(to).storeBytes(of: UInt32(length), as: UInt32.self)
    to += 4
    for i in 0..<count {
      guard let base = pieces[i].iov_base else { continue }
      memcpy(to, base, pieces[i].iov_len)
      to += pieces[i].iov_len
    }
    return true
  }

  /// The record `offset` bytes behind the first.
  func record(at offset: Int) -> (bytes: UnsafeMutablePointer<UInt8>, length: Int)? {
    guard offset < count else { return nil }
    let start = bytes + offset
    return (start + 4, Int(UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)))
  }

  var firstRecord: (bytes: UnsafeMutablePointer<UInt8>, length: Int)? { record(at: 0) }
}
