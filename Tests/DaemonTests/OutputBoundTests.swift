// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import TestSupport
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct OutputBoundTests {
  @Test func `a file is full at its limit, told once, and has room when it was emptied`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.home.path + "/err"
    let fd = try Files.openForAppending(path, mode: 0o600)
    defer { Descriptor.close(fd) }
    var bound = OutputBound(fd: fd, limit: 1000)
    var seen: [OutputBound.Change] = [bound.look()]
    try Files.writeAll(fd, [UInt8](repeating: 0x61, count: 999))
    seen.append(bound.look())
    #expect(!bound.isFull)
    try Files.writeAll(fd, [0x0a])
    seen += [bound.look(), bound.look()]
    #expect(bound.isFull)
    // Somebody empties it, by `truncate -s 0`.
    #expect(truncate(path, 0) == 0)
    seen += [bound.look(), bound.look()]
    #expect(!bound.isFull)
    #expect(seen == [.none, .none, .full, .none, .hasRoomAgain, .none])
  }

  @Test func `what is no file is never full`() throws {
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.read); Descriptor.close(pipe.write) }
    var bound = OutputBound(fd: pipe.write, limit: 0)
    let change = bound.look()
    #expect(change == .none && !bound.isFull)
  }
}
