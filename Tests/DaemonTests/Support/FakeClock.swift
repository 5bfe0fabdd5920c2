// SPDX-License-Identifier: Apache-2.0
//
// FakeClock: time that passes when a test says so, and what is scheduled on it.

final class FakeClock {
  private(set) var now: UInt64 = 1_000_000_000
  private var actions: [(id: Int, at: UInt64, run: () -> Void)] = []
  private var last = 0

  static let second: UInt64 = 1_000_000_000

  /// What it returns takes the action back.
  @discardableResult
  func schedule(_ after: UInt64, _ action: @escaping () -> Void) -> () -> Void {
    last += 1
    let id = last
    actions.append((id, now + after, action))
    return { [weak self] in self?.actions.removeAll { $0.id == id } }
  }

  /// Nanoseconds from now of each that waits, the next first.
  var pending: [UInt64] { actions.map { $0.at - now }.sorted() }

  /// Runs the next; false when nothing waits.
  @discardableResult
  func step() -> Bool {
    guard let next = actions.min(by: { ($0.at, $0.id) < ($1.at, $1.id) }) else { return false }
    actions.removeAll { $0.id == next.id }
    now = max(now, next.at)
    next.run()
    return true
  }

  /// Runs all that comes due within `time`; at most 10,000 of them.
  func pass(_ time: UInt64) {
    let end = now + time
    for _ in 0..<10_000 {
      guard let due = actions.map(\.at).min(), due <= end else { break }
      step()
    }
    now = end
  }
}
