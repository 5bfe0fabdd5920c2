// SPDX-License-Identifier: Apache-2.0
import LibC
import Platform
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct MessageChannelTests {
  private func pair() throws -> (MessageChannel, MessageChannel) {
    let (a, b) = try UnixSocket.pair()
    return (try MessageChannel(fd: a), try MessageChannel(fd: b))
  }

  @Test func messagesKeepTheirBordersAndOrder() throws {
    let (a, b) = try pair()
    for length in [0, 1, 65535, 3] {
      try a.sendBlocking(Array(repeating: UInt8(length & 255), count: length))
    }
    for length in [0, 1, 65535, 3] {
      let message = try b.receiveBlocking(timeout: 1000)
      #expect(message.bytes == Array(repeating: UInt8(length & 255), count: length))
    }
    #expect(try b.receive() == nil)
  }

  @Test func descriptorsArriveWithTheirOwnMessage() throws {
    let (a, b) = try pair()
    let pipe = try Descriptor.pipe()
    try a.send([1])
    try a.send([2], fds: [pipe.write])
    try a.send([3])
    try a.send([4], fds: [pipe.read, pipe.write])
    close(pipe.write)
    #expect(try b.receive()?.fds == [])
    let second = try #require(try b.receive())
    #expect(second.bytes == [2])
    let writeEnd = try #require(second.fds.first)
    #expect(try b.receive()?.fds == [])
    let fourth = try #require(try b.receive())
    #expect(fourth.fds.count == 2)
    #expect(fcntl(writeEnd, F_GETFD) == FD_CLOEXEC)
    #expect(write(writeEnd, "y", 1) == 1)
    var byte: UInt8 = 0
    #expect(read(pipe.read, &byte, 1) == 1)
    for fd in second.fds + fourth.fds + [pipe.read] { close(fd) }
  }

  @Test func descriptorsWithoutRoomAreLostWithTheirMessageAlone() throws {
    let (a, b) = try pair()
    let pipe = try Descriptor.pipe()
    defer { for fd in [pipe.read, pipe.write] { Descriptor.close(fd) } }
    try a.send([1])
    try a.send([2], fds: [pipe.read, pipe.write])
    try a.send([3])
    // All below the next free number are taken.
    let free = try Descriptor.duplicate(pipe.read)
    Descriptor.close(free)
    var messages: [MessageChannel.Message] = []
    let isLowered: Void? = ResourceLimit.descriptors.lowered(to: Int(free)) {
      do {
        while messages.count < 3, let message = try b.receive() { messages.append(message) }
      } catch {
        Issue.record("the channel failed: \(error)")
      }
    }
    #expect(isLowered != nil)
    #expect(messages.map(\.bytes) == [[1], [2], [3]])
    #expect(messages.map(\.lostDescriptors) == [false, true, false])
    #expect(messages.map(\.fds.count) == [0, 0, 0])
    // And the next ones arrive.
    try a.send([4], fds: [pipe.read])
    let last = try #require(try b.receive())
    #expect(last.fds.count == 1 && !last.lostDescriptors)
    for fd in last.fds { Descriptor.close(fd) }
  }

  @Test func aLargeMessageGoesOutAsTheReaderReads() throws {
    let (a, b) = try pair()
    let large = (0..<MessageChannel.maximumLength).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let pipe = try Descriptor.pipe()
    try a.send(large, fds: [pipe.read])
    close(pipe.read)
    close(pipe.write)
    #expect(a.wantsWrite)
    var got: MessageChannel.Message?
    while got == nil {
      got = try b.receive()
      try a.flush()
    }
    #expect(got?.bytes == large)
    #expect(got?.fds.count == 1)
    for fd in got?.fds ?? [] { close(fd) }
    #expect(!a.wantsWrite)
  }

  @Test func aSlowReaderMeetsABound() throws {
    let (x, y) = try UnixSocket.pair()
    let a = try MessageChannel(fd: x, queueLimit: 1 << 20)
    defer { close(y) }
    let chunk = [UInt8](repeating: 0, count: 100_000)
    #expect(throws: MessageChannel.Failure.queueFull) {
      for _ in 0..<100 { try a.send(chunk) }
    }
  }

  @Test func absurdHeadersAreErrors() throws {
    for header: [UInt8] in [[0, 0x20, 0, 0], [0xff, 0, 0, 1], [5, 0, 0, 1], [1, 0, 0, 0]] {
      let (a, b) = try UnixSocket.pair()
      defer { close(a) }
      #expect(write(a, header, 4) == 4)
      let channel = try MessageChannel(fd: b)
      #expect(throws: MessageChannel.Failure.self) { try channel.receive() }
    }
  }

  @Test func aSendThatFailsKeepsNoCopyOfADescriptor() throws {
    let (a, b) = try pair()
    defer { a.close(); b.close() }
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.read) }
    #expect(throws: MessageChannel.Failure.self) { try a.send([1], fds: [pipe.write, -1]) }
    Descriptor.close(pipe.write)
    try Descriptor.setNonBlocking(pipe.read)
    var byte: UInt8 = 0
    #expect(read(pipe.read, &byte, 1) == 0, "somebody has the other end")
  }

  @Test func theEndIsToldApartFromSilence() throws {
    let (a, b) = try pair()
    #expect(throws: MessageChannel.Failure.timedOut) { try b.receiveBlocking(timeout: 10) }
    try a.send([9])
    a.close()
    #expect(try b.receive()?.bytes == [9])
    #expect(throws: MessageChannel.Failure.closed) { try b.receive() }
    #expect(throws: MessageChannel.Failure.closed) { try a.send([1]) }
  }

  @Test func anEventLoopDrivesAChannel() throws {
    let (a, b) = try pair()
    let loop = try EventLoop()
    var received: [[UInt8]] = []
    try a.attach(
      to: loop,
      onMessage: { message in
        received.append(message.bytes)
        a.post(message.bytes.reversed(), on: loop)
      },
      onClose: { failure in
        #expect(failure == .closed)
        loop.stop()
      })
    try b.send([1, 2])
    loop.turn(limit: 1_000_000_000)
    #expect(try b.receiveBlocking(timeout: 1000).bytes == [2, 1])
    b.close()
    loop.run()
    #expect(received == [[1, 2]])
    #expect(a.fd == -1)
  }
}
