// SPDX-License-Identifier: Apache-2.0
//
// The bytes a port could not send yet, in the form in which they go out. Bounded
// by its users: what is offered beyond `limit` is refused or dropped by them,
// one frame's encoding may go over it, and `capacity` is never passed.
//
// Thread: loop only. Reserves memory at its first use, and keeps it; what is only held back for
// the rest of a turn lies in a loan from PortMemory.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

struct SendQueue: ~Copyable {
  /// Bytes above which no further frame is let in.
  static let limit = 256 << 10
  /// `limit` and the largest thing let in below it: a super-frame cut into 2048
  /// segments with headers of `Segmenter.headerMax` and a length each.
  static let capacity = limit + PortMemory.frameMax + 2048 * (Segmenter.headerMax + 4)

  /// Of a loan.
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

  /// The first `count` bytes. Not to be used when empty.
  @inline(__always) var bytes: UnsafeMutablePointer<UInt8> {
    storage.unsafelyUnwrapped + head
  }

  /// `size` bytes more, to be written by the caller; nil when they do not fit.
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

  /// Whether a loan would spare it memory of its own.
  var wantsLoan: Bool { storage == nil }

  /// `chunk` has `loanBytes`, and is the queue's until `settle`.
  mutating func lend(_ chunk: UnsafeMutablePointer<UInt8>) {
    storage = chunk
    isLoan = true
  }

  /// Gives the loan back, if there is one. What is still in it goes to memory of its own.
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
  /// Appends the bytes of `count` pieces as one record; false when they do not fit.
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
