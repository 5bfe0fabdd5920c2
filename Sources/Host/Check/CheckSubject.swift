// SPDX-License-Identifier: Apache-2.0
//
// The plugin under test, and the result of a test.

import HostProtocol
import PluginAPI

/// Ends a test early: it has failed, or does not apply.
struct Judgement: Error {
  var report: CheckReport

  static func failed(_ text: String) -> Judgement { Judgement(report: CheckReport(.fail, text)) }
  static func skipped(_ text: String) -> Judgement { Judgement(report: CheckReport(.skip, text)) }
}

/// A plugin of the file, with options.
struct CheckSubject {
  var descriptor: Module.Descriptor
  /// A JSON object valid by the schema, with defaults filled in.
  var options: String
  var seed: UInt64

  var isNetwork: Bool { descriptor.kind == LND_KIND_NETWORK }
  var mode: String { descriptor.modes.first ?? descriptor.name }
}

/// A random number generator with a seed (splitmix64).
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
