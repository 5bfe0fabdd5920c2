// SPDX-License-Identifier: Apache-2.0
//
// What the tests of ports, switch and capture share: a receiver that keeps what
// it gets, a driver that notes what ports ask for, sockets, packets.

import LibC
import Platform
import PluginAPI
import Testing

@testable import Host

/// A receiver of frames, and a delegate.
final class Inbox: PortDelegate {
  struct Frame: Equatable {
    var bytes: [UInt8]
    var flags: UInt32
    var gsoType: UInt16
    var gsoSize: UInt16
    var handle: lnd_port
  }

  var frames: [Frame] = []
  var batches: [Int] = []
  var readies: [lnd_port] = []
  var ended: [UInt64] = []
  var retries: [UInt64] = []
  var gates: [UInt64] = []
  var interestChanges = 0
  /// Called with each batch before it is kept.
  var onFrames: ((lnd_port, UnsafePointer<lnd_frame>, Int) -> Void)?

  var bytes: [[UInt8]] { frames.map(\.bytes) }

  /// Keeps the inbox for ever: a port may outlive the test's last use of it.
  var receiver: FrameReceiver {
    FrameReceiver(
      context: Unmanaged.passRetained(self).toOpaque(),
      frames: { context, handle, frames, count in
        guard let context, let frames else { return }
        Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue().take(handle, frames, Int(count))
      },
      ready: { context, handle in
        guard let context else { return }
        Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue().readies.append(handle)
      })
  }

  private func take(_ handle: lnd_port, _ batch: UnsafePointer<lnd_frame>, _ count: Int) {
    onFrames?(handle, batch, count)
    batches.append(count)
    for i in 0..<count {
      let frame = batch[i]
      frames.append(
        Frame(
          bytes: flatten(batch + i), flags: frame.flags, gsoType: frame.gso_type,
          gsoSize: frame.gso_size, handle: handle))
    }
  }

  func attach(_ port: Port) {
    port.receiver = receiver
    port.delegate = self
  }

  func portInterestChanged(_ port: Port) { interestChanges += 1 }
  func portWantsRetry(_ port: Port, at deadline: UInt64) { retries.append(port.id) }
  func portWaitsForGate(_ port: Port, at deadline: UInt64) { gates.append(deadline) }
  func portEnded(_ port: Port) { ended.append(port.id) }
}

/// The bytes of a frame, flat or in slices.
func flatten(_ frame: UnsafePointer<lnd_frame>) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: Int(frame.pointee.length))
  var reader = PieceReader(frame)
  bytes.withUnsafeMutableBufferPointer {
    if let base = $0.baseAddress { reader.copy($0.count, into: base) }
  }
  return bytes
}

/// A frame in memory of its own, and how it is described. Freed with the value.
final class OwnedFrame {
  private let storage: UnsafeMutablePointer<UInt8>
  private var slices: UnsafeMutablePointer<lnd_slice>?
  var frame: lnd_frame

  init(_ bytes: [UInt8], flags: UInt32 = 0) {
    storage = .allocate(capacity: max(1, bytes.count))
    storage.initialize(from: bytes, count: bytes.count)
    frame = lnd_frame()
    frame.data = UnsafePointer(storage)
    frame.length = UInt32(bytes.count)
    frame.flags = flags
  }

  deinit {
    storage.deallocate()
    slices?.deallocate()
  }

  /// The same frame in pieces that end at `cuts`.
  func sliced(at cuts: [Int]) -> OwnedFrame {
    let length = Int(frame.length)
    let ends = (cuts.filter { $0 >= 0 && $0 <= length } + [length]).sorted()
    let slices = UnsafeMutablePointer<lnd_slice>.allocate(capacity: ends.count)
    var start = 0
    for (i, end) in ends.enumerated() {
      slices[i] = lnd_slice(data: UnsafePointer(storage + start), length: UInt64(end - start))
      start = end
    }
    self.slices?.deallocate()
    self.slices = slices
    frame.data = UnsafeRawPointer(slices).assumingMemoryBound(to: UInt8.self)
    frame.slices = UInt32(ends.count)
    frame.flags |= UInt32(LND_FRAME_SLICES)
    return self
  }
}

/// As a guest gets a frame: no Ethernet frame is shorter than 60 bytes.
func padded(_ frame: [UInt8]) -> [UInt8] {
  frame + [UInt8](repeating: 0, count: max(0, 60 - frame.count))
}

extension Port {
  /// Sends and returns how many were taken.
  func send(_ frames: [OwnedFrame]) -> Int {
    let raw = frames.map(\.frame)
    return withExtendedLifetime(frames) {
      raw.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map { send($0, buffer.count) } ?? 0
      }
    }
  }

  func send(_ frames: [[UInt8]]) -> Int { send(frames.map { OwnedFrame($0) }) }

  func forward(_ frames: [[UInt8]]) { _ = forwards(frames) }

  func forward(_ frames: [OwnedFrame]) {
    let raw = frames.map(\.frame)
    withExtendedLifetime(frames) {
      raw.withUnsafeBufferPointer { buffer in
        if let base = buffer.baseAddress { _ = forward(base, buffer.count) }
      }
    }
  }

  /// Whether the port holds them back, and held none before.
  func forwards(_ frames: [[UInt8]]) -> Bool {
    let owned = frames.map { OwnedFrame($0) }
    let raw = owned.map(\.frame)
    return withExtendedLifetime(owned) {
      raw.withUnsafeBufferPointer { buffer in
        buffer.baseAddress.map { forward($0, buffer.count) } ?? false
      }
    }
  }
}

/// A file descriptor that is closed with the value.
final class TestFD {
  let fd: Int32
  init(_ fd: Int32) { self.fd = fd }
  deinit { close() }
  private var isOpen = true
  func close() {
    if isOpen { _ = Sockets.close(fd) }
    isOpen = false
  }

  /// Writes everything; blocks if the socket does.
  func write(_ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let n = bytes.withUnsafeBytes {
        Sockets.send(fd, $0.baseAddress.map { $0 + done }, bytes.count - done, 0)
      }
      if n <= 0 { return }
      done += n
    }
  }

  /// What is there now, up to `limit` bytes; nil when nothing is.
  func read(_ limit: Int = 1 << 20) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    let n = bytes.withUnsafeMutableBytes { Sockets.recv(fd, $0.baseAddress, limit, dontWait) }
    return n < 0 ? nil : Array(bytes.prefix(n))
  }
}

/// Two connected sockets: one for the port, one for the guest.
func socketPair(_ kind: UnixSocket.Kind) throws -> (Int32, TestFD) {
  let (a, b) = try UnixSocket.pair(type: kind)
  return (a, TestFD(b))
}

/// read(2), for descriptors that are no sockets.
func readInto(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
  read(fd, buffer.baseAddress, buffer.count)
}
