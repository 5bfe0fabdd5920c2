// SPDX-License-Identifier: Apache-2.0
//
// DNSDatagrams: a UDP socket in batches: up to 32 questions and up to 64 answers per system call. Answers that the
// kernel refuses are dropped and counted. Thread: loop only.

import LibC
import CPlatform
import Platform

/// The source address of a datagram: IPv4 or IPv6.
struct DNSPeer {
  fileprivate var address = sockaddr_in6()
  fileprivate var length: socklen_t = 0

  fileprivate init(address: sockaddr_in6, length: socklen_t) {
    self.address = address
    self.length = length
  }

  /// Bytes of `octets`.
  static let size = MemoryLayout<sockaddr_in6>.size + 4

  /// For another process of this machine: the sockaddr, and its length in 4 bytes.
  var octets: [UInt8] {
    withUnsafeBytes(of: address) { Array($0) } + withUnsafeBytes(of: UInt32(length)) { Array($0) }
  }

  /// - Returns: nil for what is none.
  init?(octets: ArraySlice<UInt8>) {
    guard octets.count == Self.size else { return nil }
    let whole = Array(octets)
    withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: whole.prefix($0.count)) }
    let stated = whole.withUnsafeBytes {
      $0.loadUnaligned(fromByteOffset: MemoryLayout<sockaddr_in6>.size, as: UInt32.self)
    }
    guard (1...UInt32(MemoryLayout<sockaddr_in6>.size)).contains(stated) else { return nil }
    length = socklen_t(stated)
  }

  /// Identifies a client; two IPv6 clients may share a number.
  var number: UInt64 {
    withUnsafeBytes(of: address) { bytes in
      // Family, port and IPv4 address; IPv6 has its address at 8, and its scope.
      var number = bytes.loadUnaligned(as: UInt64.self)
      guard length > 16 else { return number }
      for offset in [8, 16] {
        number =
          (number ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
          &* 0x9E37_79B9_7F4A_7C15
        number ^= number >> 29
      }
      return number
    }
  }
}

final class DNSDatagrams {
  private static let questions = 32
  private static let answers = 64
  /// Bytes for one datagram: the maximum. Untouched pages use no memory.
  private static let questionSize = 65536
  /// Bytes for all answers of a batch.
  private static let answerSize = 256 << 10

  let fd: Int32
  /// Answers that the kernel refused.
  private(set) var dropped: UInt64 = 0

  private let received: UnsafeMutablePointer<MessageBatchEntry>
  private let receivedPieces: UnsafeMutablePointer<iovec>
  private let receivedPeers: UnsafeMutablePointer<sockaddr_in6>
  private let receivedBytes: UnsafeMutableRawPointer
  private let sent: UnsafeMutablePointer<MessageBatchEntry>
  private let sentPieces: UnsafeMutablePointer<iovec>
  private let sentPeers: UnsafeMutablePointer<sockaddr_in6>
  private let sentBytes: UnsafeMutableRawPointer
  private var queued = 0
  private var used = 0

  /// Takes ownership of `fd`, a bound, non-blocking socket.
  init(fd: Int32) {
    self.fd = fd
    received = Self.entries(Self.questions)
    receivedPieces = .allocate(capacity: Self.questions)
    receivedPeers = Self.peers(Self.questions)
    receivedBytes = .allocate(byteCount: Self.questions * Self.questionSize, alignment: 16)
    sent = Self.entries(Self.answers)
    sentPieces = .allocate(capacity: Self.answers)
    sentPeers = Self.peers(Self.answers)
    sentBytes = .allocate(byteCount: Self.answerSize, alignment: 16)
    for index in 0..<Self.questions {
      receivedPieces[index] = iovec(
        iov_base: receivedBytes + index * Self.questionSize, iov_len: Self.questionSize)
      received[index].header.msg_iov = receivedPieces + index
      received[index].header.msg_iovlen = 1
      received[index].header.msg_name = UnsafeMutableRawPointer(receivedPeers + index)
    }
    for index in 0..<Self.answers {
      sent[index].header.msg_iov = sentPieces + index
      sent[index].header.msg_iovlen = 1
      sent[index].header.msg_name = UnsafeMutableRawPointer(sentPeers + index)
    }
  }

  deinit {
    Descriptor.close(fd)
    received.deallocate()
    receivedPieces.deallocate()
    receivedPeers.deallocate()
    receivedBytes.deallocate()
    sent.deallocate()
    sentPieces.deallocate()
    sentPeers.deallocate()
    sentBytes.deallocate()
  }

  private static func entries(_ count: Int) -> UnsafeMutablePointer<MessageBatchEntry> {
    let entries = UnsafeMutablePointer<MessageBatchEntry>.allocate(capacity: count)
    entries.initialize(repeating: MessageBatchEntry(), count: count)
    return entries
  }

  private static func peers(_ count: Int) -> UnsafeMutablePointer<sockaddr_in6> {
    let peers = UnsafeMutablePointer<sockaddr_in6>.allocate(capacity: count)
    peers.initialize(repeating: sockaddr_in6(), count: count)
    return peers
  }

  /// Reads one batch. False when the socket is likely empty.
  func receive(_ take: ([UInt8], DNSPeer) -> Void) -> Bool {
    for index in 0..<Self.questions {
      received[index].header.msg_namelen = socklen_t(MemoryLayout<sockaddr_in6>.size)
    }
    let count = Sockets.receiveBatch(fd, received, UInt32(Self.questions))
    guard count > 0 else { return false }
    for index in 0..<count {
      let length = Int(received[index].length)
      let bytes = UnsafeRawBufferPointer(
        start: receivedBytes + index * Self.questionSize, count: min(length, Self.questionSize))
      take(
        Array(bytes),
        DNSPeer(address: receivedPeers[index], length: received[index].header.msg_namelen))
    }
    return count == Self.questions
  }

  /// Adds an answer to the batch.
  func queue(_ answer: [UInt8], to peer: DNSPeer) {
    guard answer.count <= 65507 else {
      dropped &+= 1
      return
    }
    if queued == Self.answers || used + answer.count > Self.answerSize { flush() }
    answer.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      (sentBytes + used).copyMemory(from: base, byteCount: bytes.count)
    }
    sentPieces[queued] = iovec(iov_base: sentBytes + used, iov_len: answer.count)
    sentPeers[queued] = peer.address
    sent[queued].header.msg_namelen = peer.length
    queued += 1
    used += answer.count
  }

  /// Sends the batch.
  func flush() {
    var first = 0
    while first < queued {
      let count = Sockets.sendBatch(fd, sent + first, UInt32(queued - first))
      if count > 0 {
        first += count
      } else if count == Int(-EAGAIN) {
        dropped &+= UInt64(queued - first)
        break
      } else {
        // One that cannot be sent (its port was closed) does not hold up the others.
        dropped &+= 1
        first += 1
      }
    }
    queued = 0
    used = 0
  }
}
