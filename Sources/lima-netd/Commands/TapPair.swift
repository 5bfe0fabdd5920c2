// SPDX-License-Identifier: Apache-2.0
//
// tap-pair: the process by which `tap` makes its TAPs (WirePair). Not for users: its standard input is a socket, over
// which it sends the two descriptors.

import ArgumentParser

struct TapPair: ParsableCommand {
  static let name = "tap-pair"
  static let configuration = CommandConfiguration(
    commandName: name, abstract: "Make a pair of joined TAP devices, for `tap`.",
    shouldDisplay: false)

  func run() throws {
    #if os(Linux)
      try WirePair.make()
    #endif
  }
}
