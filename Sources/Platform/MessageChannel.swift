// SPDX-License-Identifier: Apache-2.0
//
// MessageChannel: messages with descriptors over a unix stream socket.
//
// Wire: 4 bytes big-endian, then the message. The lower 24 bits are its length
// (at most 1 MiB), the upper 8 how many descriptors (at most 4) came with its
// first byte by SCM_RIGHTS; they arrive in order, so the n-th message takes
// the next of them. Without descriptors the header is the plain length. A read does not pass the bytes that
// descriptors came with, so descriptors that no complete message has taken belong to the incomplete one; when the
// process is at RLIMIT_NOFILE, that message is delivered without them.
//
// Non-blocking with a bounded output queue; one thread; not Sendable. A peer that violates the protocol is an error,
// after which the caller closes the channel.

import LibC
import CPlatform

package final class MessageChannel {
  package struct Message {
    package var bytes: [UInt8]
    /// To be closed by the receiver.
    package var fds: [Int32]
    /// Descriptors came with it, but this process is at RLIMIT_NOFILE: `fds` is empty.
    package var lostDescriptors = false
  }

  package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The peer has closed its end; the last message may be incomplete.
    case closed
    case system(SystemError)
    /// A length, or a number of descriptors, that the protocol does not allow.
    case malformed(String)
    /// The peer reads too slowly: the output queue is full.
    case queueFull
    case timedOut

    package var description: String {
      switch self {
      case .closed: "the other side closed the connection"
      case .system(let error): error.description
      case .malformed(let what): "malformed message: \(what)"
      case .queueFull: "the other side does not read its messages"
      case .timedOut: "no answer in time"
      }
    }
  }

  package static let maximumLength = 1 << 20
  package static let maximumDescriptors = 4

  /// The socket; closed by `close` or deinit.
  package private(set) var fd: Int32
  private let queueLimit: Int
  private var input: [UInt8] = []
  private var inputFDs: [Int32] = []
  /// Descriptors of the incomplete message were lost.
  private var isShort = false
  private var output: [Outgoing] = []
  /// Messages of `output` already sent. They are removed in bulk, not one by one: there may be thousands.
  private var outputStart = 0
  private var queued = 0

  private struct Outgoing {
    var bytes: [UInt8]
    var sent = 0
    var fds: [Int32]
  }

  /// Takes ownership of the socket and makes it non-blocking.
  package init(fd: Int32, queueLimit: Int = 8 << 20) throws(SystemError) {
    self.fd = fd
    self.queueLimit = queueLimit
    try Descriptor.setNonBlocking(fd)
  }

  /// Goes on where another program's channel of the same socket has stopped.
  /// - Parameter unread: what it had received of a message that was not complete.
  package convenience init(fd: Int32, unread: [UInt8]) throws(SystemError) {
    try self.init(fd: fd)
    input = unread
  }

  /// Received, and part of no message yet.
  package var unread: [UInt8] { input }

  /// Nothing waits to be sent, and no descriptor for its message: another program can go on with the socket.
  package var isQuiet: Bool { output.isEmpty && inputFDs.isEmpty && !isShort }

  deinit { close() }

  /// Closes the socket and all descriptors that no message has delivered. Idempotent.
  package func close() {
    guard fd >= 0 else { return }
    Descriptor.close(fd)
    fd = -1
    for fd in inputFDs { Descriptor.close(fd) }
    for message in output { for fd in message.fds { Descriptor.close(fd) } }
    inputFDs = []
    output = []
    outputStart = 0
  }

  /// True while `flush` has something to send: watch for writability then.
  package var wantsWrite: Bool { !output.isEmpty }

  // MARK: Sending

  /// Sends, or queues what does not fit. Queued descriptors are duplicated: the caller keeps ownership of its own.
  package func send(_ bytes: [UInt8], fds: [Int32] = []) throws(Failure) {
    guard fd >= 0 else { throw .closed }
    guard bytes.count <= Self.maximumLength, fds.count <= Self.maximumDescriptors else {
      throw .malformed(
        "\(Plural.text(bytes.count, "byte")) and \(Plural.text(fds.count, "descriptor"))")
    }
    guard queued + bytes.count <= queueLimit else { throw .queueFull }
    let header = UInt32(fds.count) << 24 | UInt32(bytes.count)
    var framed: [UInt8] = []
    framed.reserveCapacity(4 + bytes.count)
    for shift in [24, 16, 8, 0] as [UInt32] {
      framed.append(UInt8(truncatingIfNeeded: header >> shift))
    }
    framed += bytes
    var copies: [Int32] = []
    do throws(SystemError) {
      for fd in fds { copies.append(try Descriptor.duplicate(fd)) }
    } catch {
      for fd in copies { Descriptor.close(fd) }
      throw .system(error)
    }
    output.append(Outgoing(bytes: framed, fds: copies))
    queued += framed.count
    try flush()
  }

  /// Sends as much of the queue as the socket accepts.
  package func flush() throws(Failure) {
    guard fd >= 0 else { throw .closed }
    while outputStart < output.count {
      let first = output[outputStart]
      let sent = transmit(first)
      if sent == Int(-EAGAIN) { return }
      if sent < 0 {
        let errno = Errno(Int32(-sent))
        throw errno.rawValue == EPIPE || errno.rawValue == ECONNRESET
          ? .closed : .system(SystemError("sendmsg", errno))
      }
      for fd in first.fds { Descriptor.close(fd) }
      output[outputStart].fds = []
      output[outputStart].sent += sent
      queued -= sent
      guard output[outputStart].sent == first.bytes.count else { continue }
      output[outputStart].bytes = []
      outputStart += 1
      guard outputStart == output.count || outputStart >= 1024 else { continue }
      output.removeFirst(outputStart)
      outputStart = 0
    }
  }

  private func transmit(_ message: Outgoing) -> Int {
    #if canImport(Glibc)
      let flags = Int32(MSG_NOSIGNAL)
    #else
      let flags: Int32 = 0
    #endif
    return message.bytes.withUnsafeBytes { bytes in
      plat_send_fds(
        fd, bytes.baseAddress?.advanced(by: message.sent), UInt64(bytes.count - message.sent),
        message.fds, UInt32(message.fds.count), flags)
    }
  }

  // MARK: Receiving

  /// The next complete message, or nil. Call it until it returns nil whenever the socket is readable.
  package func receive() throws(Failure) -> Message? {
    while true {
      if let message = try parse() { return message }
      guard try fill() else { return nil }
    }
  }

  /// Reads once; false when the socket would block.
  private func fill() throws(Failure) -> Bool {
    guard fd >= 0 else { throw .closed }
    var fds: [Int32] = Array(repeating: -1, count: Int(PLAT_MAX_FDS))
    var count: UInt32 = 0
    let capacity = 65536
    let start = input.count
    input.append(contentsOf: repeatElement(0, count: capacity))
    let received = input.withUnsafeMutableBytes { buffer in
      plat_recv_fds(
        fd, buffer.baseAddress?.advanced(by: start), UInt64(capacity), &fds, &count, 0)
    }
    input.removeLast(capacity - max(0, received))
    if count == PLAT_LOST_FDS { isShort = true } else { inputFDs += fds[..<Int(count)] }
    if received == Int(-EAGAIN) { return false }
    if received == 0 || received == Int(-ECONNRESET) { throw .closed }
    if received < 0 { throw .system(SystemError("recvmsg", Errno(Int32(-received)))) }
    guard inputFDs.count <= 4 * Self.maximumDescriptors * 4 else {
      throw .malformed("descriptors that no message claims")
    }
    return true
  }

  private func parse() throws(Failure) -> Message? {
    guard input.count >= 4 else { return nil }
    let header = input[..<4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let length = Int(header & 0xff_ffff)
    let descriptors = Int(header >> 24)
    guard length <= Self.maximumLength, descriptors <= Self.maximumDescriptors else {
      throw .malformed(
        "a header announces \(Plural.text(Int(length), "byte")) and \(Plural.text(Int(descriptors), "descriptor"))"
      )
    }
    guard input.count >= 4 + length else { return nil }
    if descriptors > 0, isShort {
      isShort = false
      for fd in inputFDs { Descriptor.close(fd) }
      inputFDs = []
      defer { input.removeFirst(4 + length) }
      return Message(bytes: Array(input[4..<4 + length]), fds: [], lostDescriptors: true)
    }
    guard inputFDs.count >= descriptors else {
      throw .malformed(
        "\(Plural.text(Int(descriptors), "descriptor")) announced, \(inputFDs.count) came")
    }
    let message = Message(
      bytes: Array(input[4..<4 + length]), fds: Array(inputFDs[..<descriptors]))
    input.removeFirst(4 + length)
    inputFDs.removeFirst(descriptors)
    return message
  }
}
