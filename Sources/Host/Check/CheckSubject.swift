// SPDX-License-Identifier: Apache-2.0
//
// What is tested, and how a test ends.

import HostProtocol
import PluginAPI

/// A test's end before its last line: it has failed, or does not apply.
struct Judgement: Error {
  var report: CheckReport

  static func failed(_ text: String) -> Judgement { Judgement(report: CheckReport(.fail, text)) }
  static func skipped(_ text: String) -> Judgement { Judgement(report: CheckReport(.skip, text)) }
}

/// One plugin of the file, with options.
struct CheckSubject {
  var descriptor: Module.Descriptor
  /// A JSON object that fits the schema, defaults filled in.
  var options: String
  var seed: UInt64

  var isNetwork: Bool { descriptor.kind == LND_KIND_NETWORK }
  var mode: String { descriptor.modes.first ?? descriptor.name }
}

/// A generator whose numbers a seed repeats (splitmix64).
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
