// SPDX-License-Identifier: Apache-2.0
//
// tap-pair: the process that creates the TAPs of `tap` (WirePair). Internal: it sends the two descriptors over the socket
// that is its standard input.

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
