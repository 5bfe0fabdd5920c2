// SPDX-License-Identifier: Apache-2.0
//
// The name by which systemd waits for a bridge, and whose interfaces a network's are by their names.

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

  @Test func `interfaces of other users are told by their names`() {
    let names = [
      "lo", "ln1000-shared", "ln1002-shared", "ln0-shared", "ln1001-host", "ln+7-shared",
      "ln007-shared", "ln-shared", "lnx-shared", "ln5-my-shared", "ln4294967296-shared",
    ]
    #expect(SetUpUsers.others(than: 1000, of: "shared", among: names) == [0, 1002])
    #expect(SetUpUsers.others(than: 1000, of: "my-shared", among: names) == [5])
    #expect(SetUpUsers.others(than: 0, of: "lan", among: names) == [])
  }
}
