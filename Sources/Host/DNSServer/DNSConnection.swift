// SPDX-License-Identifier: Apache-2.0
//
// DNSConnection: one TCP client of a DNS server (RFC 7766). Questions may follow each other
// without waiting (6.2.1.1), answers go out as they come; a client that asks faster than it is
// answered, or does not read, is not read from. Thread: loop only.

import Platform
import PluginAPI

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

final class DNSConnection {
  /// Questions under way; beyond it the client waits.
  static let maximumOutstanding = 128
  /// Octets of answers that the client has not taken yet; beyond it it is not read from.
  static let maximumWaiting = 256 << 10
  private static let readSize = 16 << 10

  let id: UInt64
  let fd: Int32
  var watch: UInt64 = 0
  /// Of `watch`, as it is now.
  var interest: PollEvents = .read
  /// Questions without an answer yet.
  private(set) var outstanding: Set<lnd_op> = []
  /// When a whole question came or the client took something of an answer, the last time.
  private(set) var lastUsed: UInt64

  private var input = DNSFrames()
  private var output: [UInt8] = []
  private var sent = 0
  /// The client sends no more.
  private var isAtEnd = false
  private var isBroken = false

  /// Takes over `fd`.
  init(id: UInt64, fd: Int32, now: UInt64) {
    self.id = id
    self.fd = fd
    lastUsed = now
  }

  var hasOutput: Bool { sent < output.count }

  /// Nothing is owed to the client.
  var isIdle: Bool { outstanding.isEmpty && !hasOutput }

  /// Broken, or all that was asked is answered and no more will come.
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

  /// The connection is of no use any more.
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

  /// Asks what has come in whole. `ask` returns nil when it cannot be asked now: it is kept and
  /// asked later. True when all is asked that may be.
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

  /// - Parameter answer: nil when the message was no DNS query: such a client is not served on.
  func answered(_ operation: lnd_op, _ answer: [UInt8]?, now: UInt64) {
    guard outstanding.remove(operation) != nil else { return }
    guard let answer else { return breakOff() }
    // The idle time begins when nothing is owed any more.
    lastUsed = now
    DNSFrames.append(answer, to: &output)
  }

  /// Writes what the client takes.
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
