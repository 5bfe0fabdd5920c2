// SPDX-License-Identifier: Apache-2.0
//
// Programs with a bounded time and output, devices that are not what they seem, and accounts.

import Testing

@testable import Platform

@Suite(.timeLimit(.minutes(1))) struct BoundedCommandTests {
  @Test func `what a program says is kept, and how it ends`() throws {
    let result = try BoundedCommand.run(
      "/bin/sh", ["-c", "echo out; echo err >&2; cat; exit 3"], seconds: 30)
    #expect(result.status == .exited(3) && result.output == "out\n" && result.errors == "err\n")
  }

  @Test func `a program that hangs is given up, and so is what it leaves behind`() throws {
    let hung = try BoundedCommand.run("/bin/sh", ["-c", "echo a; exec sleep 60"], seconds: 1)
    #expect(hung.status == nil && hung.output == "a\n")
    // The output stays open, and nobody waits for its end.
    let left = try BoundedCommand.run("/bin/sh", ["-c", "sleep 60 & echo b"], seconds: 30)
    #expect(left.status == .exited(0) && left.output == "b\n")
  }

  @Test func `output without end is cut and does not stop the program`() throws {
    let result = try BoundedCommand.run(
      "/bin/sh", ["-c", "head -c 3000000 /dev/zero; echo end >&2"], seconds: 30, limit: 1000)
    #expect(result.succeeded && result.output.utf8.count == 1000 && result.errors == "end\n")
  }

  @Test func `a program that is not there is an error`() {
    #expect(throws: SystemError.self) { try BoundedCommand.run("/no/such", [], seconds: 1) }
  }

  @Test func `only devices are opened as devices`() throws {
    try DeviceFile.tryOpening("/dev/null")
    for path in ["/dev", "/etc/passwd", "/no/such"] {
      #expect(throws: SystemError.self) { try DeviceFile.tryOpening(path) }
    }
  }

  @Test func `accounts have names, and interfaces addresses`() throws {
    #expect(AccountNames.user(0) == "root" && AccountNames.number(ofUser: "root") == 0)
    #expect(AccountNames.user(4_000_000_000) == nil)
    #expect(AccountNames.group(ofUser: "root") == 0)
    #expect(!AccountNames.ownGroups.isEmpty)
    let loopback = try HostInterfaces.addresses().first { $0.interface == "lo" }
    #expect(loopback.map { $0.address >> 24 == 127 && $0.prefixLength == 8 } ?? true)
  }
}
