// SPDX-License-Identifier: Apache-2.0
//
// The name by which systemd waits for a bridge.

import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(1))) struct BootUnitTests {
  /// As systemd-escape(1) prints them.
  @Test(arguments: [
    ("br0", "br0"), ("br-int", #"br\x2dint"#), (".x", #"\x2ex"#), ("br0.10", "br0.10"),
    ("a_b", "a_b"),
  ])
  func `an interface's name stands in a unit's as systemd has it`(name: String, unit: String) {
    #expect(BootUnit.escaped(name) == unit)
  }
}
