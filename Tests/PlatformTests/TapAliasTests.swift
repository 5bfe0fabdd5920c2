// SPDX-License-Identifier: Apache-2.0
//
// What an interface's alias says of the bridge and the home that it is for, whoever wrote it.

import Testing

@testable import Platform

@Suite(.timeLimit(.minutes(1))) struct TapAliasTests {
  @Test(arguments: ["/home/alice/.lima", "/h/a b", "/h/=3D", "/h/ü%n$x\n"])
  func `a home is read as it was written`(home: String) throws {
    let written = try #require(TapAlias.encoded(home))
    #expect(written.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "%") })
    #expect(TapAlias("lima-netd of \(written)").home == home)
    let both = TapAlias("lima-netd port of br-int of \(written)")
    #expect(both.home == home && both.bridge == "br-int")
  }

  @Test(arguments: [
    "", "eth0", "lima-netd", "lima-netd of ", "lima-netd of x", "lima-netd of /a=",
    "lima-netd of /a=zz",
    "lima-netd port of ", "lima-netd  of /a", "lima-netd of  /a",
  ])
  func `what says nothing is nothing`(text: String) {
    #expect(TapAlias(text) == TapAlias(""))
  }

  @Test func `a home that is too long or no path is not written`() {
    #expect(TapAlias.encoded("relative") == nil)
    #expect(TapAlias.encoded("/" + String(repeating: "x", count: 180)) == nil)
    #expect(TapAlias("lima-netd port of br0").bridge == "br0")
  }
}
