// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Host

@Suite("Log allowance", .timeLimit(.minutes(5)))
struct LogAllowanceTests {
  @Test func `a plugin that logs too much is cut, told once, and heard again later`() {
    let allowance = LogAllowance()
    var now: UInt64 = 1
    let heard = (0..<1000).count { _ in allowance.admit(10, now) != nil }
    #expect(heard == 200)
    now += LogAllowance.window
    #expect(allowance.admit(10, now) == 800)
    #expect(allowance.admit(10, now) == 0)
  }

  @Test func `a long line counts as several`() {
    let allowance = LogAllowance()
    #expect((0..<1000).count { _ in allowance.admit(8192, 1) != nil } == 6)
  }

  @Test func `a reason is one line of bounded length`() {
    let text = [CChar](repeating: 65, count: 9000)
    let reason = text.withUnsafeBufferPointer { reasonText($0.baseAddress, 9000) }
    #expect(reason.count == 516 && reason.hasSuffix("A ..."))
    let lines = "a\nb\u{1b}c".withCString { reasonText($0, 5) }
    #expect(lines == "a b c")
  }
}
