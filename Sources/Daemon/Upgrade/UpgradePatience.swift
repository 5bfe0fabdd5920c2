// SPDX-License-Identifier: Apache-2.0
//
// UpgradePatience: how long an upgrade waits for what is under way. A value: it knows no clock.

struct UpgradePatience {
  enum Step: Equatable {
    case wait
    /// Who asked for something is told to ask again.
    case disappoint
    case goOn
    /// The daemon serves on as it is.
    case giveUp(String)
  }

  /// ns after which clients that wait for an answer get none.
  static let forClients: UInt64 = 2_000_000_000
  /// ns after which there is no upgrade.
  static let forAll: UInt64 = 10_000_000_000
  /// ns that nothing is under way before the program is replaced: answers are on their way yet.
  static let quiet: UInt64 = 30_000_000

  private let begun: UInt64
  private var quietSince: UInt64?

  /// - Parameter now: ns, monotonic.
  init(now: UInt64) { begun = now }

  /// - Parameter obstacle: what is under way.
  mutating func step(now: UInt64, obstacle: String?) -> Step {
    guard let obstacle else {
      let since = quietSince ?? now
      quietSince = since
      return now &- since >= Self.quiet ? .goOn : .wait
    }
    quietSince = nil
    let passed = now &- begun
    if passed >= Self.forAll { return .giveUp(obstacle) }
    return passed >= Self.forClients ? .disappoint : .wait
  }
}
