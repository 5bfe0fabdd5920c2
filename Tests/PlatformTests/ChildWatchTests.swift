// SPDX-License-Identifier: Apache-2.0
//
// A child's end, told from the loop.

import TestSupport
import Testing

@testable import Platform

@Suite("The end of a child", .timeLimit(.minutes(1)))
struct ChildWatchTests {
  private func turn(_ loop: EventLoop, until condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.now() + 20_000_000_000
    while !condition() {
      guard MonotonicClock.now() < deadline else { return false }
      loop.turn(limit: 20_000_000)
    }
    return true
  }

  @Test(arguments: [true, false])
  func `it is told once, with its status, also of one that has ended before`(endsBefore: Bool)
    throws
  {
    let loop = try EventLoop()
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.read) }
    let pid = try ChildProcess.spawn(
      "/bin/sh", ["-c", "read -r _; exit 3"], fds: [(from: pipe.read, to: 0)])
    if endsBefore {
      Descriptor.close(pipe.write)
      #expect(try waitUntilZombie(pid))
    }
    var told: [ChildProcess.ExitStatus] = []
    ChildWatch.begin(pid, on: loop) { told.append($0) }
    if !endsBefore {
      loop.turn(limit: 1_000_000)
      #expect(told.isEmpty)
      Descriptor.close(pipe.write)
    }
    #expect(turn(loop) { !told.isEmpty })
    for _ in 0..<3 { loop.turn(limit: 1_000_000) }
    #expect(told == [.exited(3)])
    #expect(throws: SystemError.self) { try ChildProcess.poll(pid) }
  }

  /// Nobody has waited for it yet.
  private func waitUntilZombie(_ pid: Int32) throws -> Bool {
    #if os(Linux)
      for _ in 0..<2000 {
        let text = String(decoding: try Files.read("/proc/\(pid)/stat", limit: 4096), as: UTF8.self)
        if text.contains(") Z ") { return true }
        quietly(milliseconds: 5)
      }
      return false
    #else
      return true
    #endif
  }
}
