// SPDX-License-Identifier: Apache-2.0
//
// DNSConnection: one TCP client of a DNS server (RFC 7766). Queries may be pipelined (6.2.1.1), answers are sent in
// order of completion; a client with too many queries or too many unread answers is not read. Thread: loop only.

import LibC
import Platform
import PluginAPI

final class DNSConnection {
  /// Maximum pending questions; beyond it the client is not read.
  static let maximumOutstanding = 128
  /// Maximum octets of unsent answers; beyond it the client is not read.
  static let maximumWaiting = 256 << 10
  private static let readSize = 16 << 10

  let id: UInt64
  let fd: Int32
  var watch: UInt64 = 0
  /// The current interest of `watch`.
  var interest: PollEvents = .read
  /// Questions without an answer yet.
  private(set) var outstanding: Set<lnd_op> = []
  /// When a complete question was received, or the client last read from an answer.
  private(set) var lastUsed: UInt64

  private var input = DNSFrames()
  private var output: [UInt8] = []
  private var sent = 0
  /// The client has shut down its sending side.
  private var isAtEnd = false
  private var isBroken = false

  /// Takes ownership of `fd`.
  init(id: UInt64, fd: Int32, now: UInt64) {
    self.id = id
    self.fd = fd
    lastUsed = now
  }

  var hasOutput: Bool { sent < output.count }

  /// No answers are pending or unsent.
  var isIdle: Bool { outstanding.isEmpty && !hasOutput }

  /// Broken, or at the end of the input with all questions answered.
  var isOver: Bool { isBroken || (isAtEnd && isIdle && !input.hasFirst) }

  var wanted: PollEvents {
    var events: PollEvents = []
    if mayRead { events.insert(.read) }
    if hasOutput { events.insert(.write) }
    return events
  }

  private var mayRead: Bool {
    !isAtEnd && !isBroken && outstanding.count < Self.maximumOutstanding
      && output.count - sent < Self.maximumWaiting && input.count <= 2 * Self.readSize + 65537
  }

  /// Marks the connection for closing.
  func breakOff() { isBroken = true }

  // MARK: Questions

  func read() {
    guard mayRead else { return }
    withUnsafeTemporaryAllocation(byteCount: Self.readSize, alignment: 1) { buffer in
      let count = Sockets.recv(fd, buffer.baseAddress, buffer.count, 0)
      if count > 0 {
        input.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      } else if count == 0 {
        isAtEnd = true
      } else if count != Int(-EAGAIN) {
        isBroken = true
      }
    }
  }

  /// Asks the complete questions. `ask` returns nil when a question cannot be asked now: it is kept for later. False
  /// in that case; true when all were asked that the client may ask now.
  func askAll(now: UInt64, _ ask: ([UInt8]) -> lnd_op?) -> Bool {
    while outstanding.count < Self.maximumOutstanding, output.count - sent < Self.maximumWaiting,
      let message = input.first
    {
      guard let operation = ask(message) else { return false }
      input.removeFirst()
      outstanding.insert(operation)
      lastUsed = now
    }
    return true
  }

  // MARK: Answers

  /// - Parameter answer: nil when the message was not a DNS query: the connection is closed.
  func answered(_ operation: lnd_op, _ answer: [UInt8]?, now: UInt64) {
    guard outstanding.remove(operation) != nil else { return }
    guard let answer else { return breakOff() }
    // The idle time starts when no answer is pending.
    lastUsed = now
    DNSFrames.append(answer, to: &output)
  }

  /// Sends as much as the socket accepts.
  func flush(now: UInt64) {
    guard hasOutput, !isBroken else { return }
    let count = output.withUnsafeBytes {
      Sockets.send(fd, $0.baseAddress.map { $0 + sent }, $0.count - sent, 0)
    }
    if count > 0 {
      sent += count
      lastUsed = now
    } else if count != Int(-EAGAIN) {
      isBroken = true
    }
    if !hasOutput {
      output.removeAll(keepingCapacity: output.capacity <= 16384)
      sent = 0
    } else if sent >= 65536 {
      output.removeFirst(sent)
      sent = 0
    }
  }
}
