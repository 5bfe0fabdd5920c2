// SPDX-License-Identifier: Apache-2.0
//
// A guest's end of one TCP connection over a link that loses nothing: enough to see bytes
// arrive. Loss, reordering and windows are tested with NetStack's simulation.

import NetStack
import Wire

/// See the head of this file.
final class TestConnection {
  let guest: TestGuest
  let local: UInt16
  private(set) var remote: Endpoint
  private var next: UInt32 = 1000
  private var expected: UInt32 = 0
  private(set) var received: [UInt8] = []
  private(set) var isOpen = false
  private(set) var isAtEnd = false
  private(set) var isReset = false

  /// Connects; `wait` for `isOpen`.
  init(_ guest: TestGuest, from port: UInt16, to remote: Endpoint) {
    self.guest = guest
    local = port
    self.remote = remote
    send(.syn)
    next &+= 1
  }

  /// Accepts a connection the stack opens to `port`. Nil while there is none.
  init?(_ guest: TestGuest, acceptingAt port: UInt16) {
    self.guest = guest
    local = port
    remote = Endpoint(.anyV4, port: 0)
    guest.collect()
    guard
      let index = guest.segments.firstIndex(where: {
        $0.header.destinationPort == port && $0.header.flags.contains(.syn)
          && !$0.header.flags.contains(.ack)
      })
    else { return nil }
    let syn = guest.segments.remove(at: index)
    remote = syn.source
    expected = syn.header.sequence &+ 1
    send([.syn, .ack])
    next &+= 1
    isOpen = true
  }

  private func send(_ flags: TCPFlags, _ payload: [UInt8] = []) {
    guest.sendTCP(
      TCPHeader(
        sourcePort: local, destinationPort: remote.port, sequence: next,
        acknowledgement: expected, flags: flags, window: 65535), to: remote.address, payload)
  }

  func write(_ bytes: [UInt8]) {
    for start in stride(from: 0, to: bytes.count, by: 1400) {
      let part = Array(bytes[start..<min(start + 1400, bytes.count)])
      send([.ack, .psh], part)
      next &+= UInt32(part.count)
    }
  }

  func finish() {
    send([.fin, .ack])
    next &+= 1
  }

  /// Takes in what has come for this connection.
  func pump() {
    guest.collect()
    let mine = guest.segments.filter {
      $0.header.destinationPort == local && $0.source == remote
    }
    guest.segments.removeAll { $0.header.destinationPort == local && $0.source == remote }
    for segment in mine { take(segment) }
  }

  private func take(_ segment: TestGuest.Segment) {
    let header = segment.header
    if header.flags.contains(.rst) {
      isReset = true
      return
    }
    if header.flags.contains(.syn) {
      expected = header.sequence &+ 1
      isOpen = true
      send(.ack)
      return
    }
    guard header.sequence == expected else { return }
    received += segment.payload
    expected &+= UInt32(segment.payload.count)
    if header.flags.contains(.fin) {
      isAtEnd = true
      expected &+= 1
    }
    if !segment.payload.isEmpty || header.flags.contains(.fin) { send(.ack) }
  }

  func wait(_ what: String, until condition: () -> Bool) throws {
    try guest.host.run(what) {
      pump()
      return condition()
    }
  }
}
