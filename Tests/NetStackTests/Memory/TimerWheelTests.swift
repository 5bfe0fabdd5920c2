// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct TimerWheelTests {
  private static let tick: UInt64 = 1 << 20

  @Test(arguments: Array(1...20) as [UInt64])
  func `every timer fires once, never early, at most a slot late`(seed: UInt64) {
    var random = RandomSource(seed: seed)
    var now: UInt64 = random.next() % (1 << 40)
    var wheel = TimerWheel(capacity: 10_000, now: now)
    var waiting: [UInt64: (id: UInt32, deadline: UInt64)] = [:]
    var nextToken: UInt64 = 1
    for _ in 0..<3000 {
      switch random.next() % 8 {
      case 0...4:
        // From milliseconds to hours.
        let delay = random.next() % (1 << (10 + random.next() % 34))
        let id = wheel.schedule(at: now + delay, token: nextToken)
        #expect(id != 0)
        waiting[nextToken] = (id, now + delay)
        nextToken += 1
      case 5:
        if let victim = waiting.keys.min() {
          wheel.cancel(waiting[victim]?.id ?? 0)
          waiting[victim] = nil
        }
      case 6:
        if let moved = waiting.keys.max(), let entry = waiting[moved] {
          let deadline = now + random.next() % (1 << 36)
          wheel.reschedule(entry.id, at: deadline)
          waiting[moved] = (entry.id, deadline)
        }
      default:
        let jump =
          random.next() % 3 == 0
          ? random.next() % (1 << 40)
          : (wheel.nextDeadline().map { $0 > now ? $0 - now : 0 } ?? 0) + random.next() % Self.tick
        now += jump
        while let token = wheel.popDue(now: now) {
          guard let entry = waiting.removeValue(forKey: token) else {
            Issue.record("a timer fired that does not wait")
            return
          }
          #expect(entry.deadline <= now)
        }
        // Timers that are overdue by a slot must have fired.
        for entry in waiting.values { #expect(entry.deadline + 2 * Self.tick > now) }
      }
      if let earliest = waiting.values.map(\.deadline).min() {
        guard let next = wheel.nextDeadline() else {
          Issue.record("a timer waits, but there is no next deadline")
          return
        }
        #expect(next <= earliest + 2 * Self.tick)
      } else {
        expect(wheel.nextDeadline() == nil)
      }
    }
    expect(wheel.count == waiting.count)
  }

  @Test func `a full wheel says so, a spent id is ignored`() {
    var wheel = TimerWheel(capacity: 2, now: 0)
    let id = wheel.schedule(at: 10, token: 1)
    let second = wheel.schedule(at: 10, token: 2)
    let third = wheel.schedule(at: 10, token: 3)
    #expect(second != 0 && third == 0)
    while wheel.popDue(now: 1 << 30) != nil {}
    wheel.cancel(id)
    wheel.reschedule(id, at: 5)
    expect(wheel.count == 0 && wheel.nextDeadline() == nil)
  }
}
