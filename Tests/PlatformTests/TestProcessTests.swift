// SPDX-License-Identifier: Apache-2.0
//
// The programs that tests start (Tests/Support/TestProcess.swift): hundreds by one process, which has many descriptors.

import LibC
import Platform
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(1))) struct TestProcessTests {
  @Test func `hundreds of programs beside hundreds of descriptors leave none behind`() throws {
    let null = try Files.openNull()
    var open = [null]
    defer { for fd in open { Descriptor.close(fd) } }
    for _ in 0..<700 { open.append(try Descriptor.duplicate(null)) }
    let next = try Descriptor.duplicate(null)
    Descriptor.close(next)
    for number in 0..<300 {
      let process = try TestProcess("true", [], output: null, errors: null)
      guard number % 3 > 0 else { continue }
      #expect(process.waitUntilExit() == .exited(0))
    }
    // Descriptors are given out from the lowest free one.
    let after = try Descriptor.duplicate(null)
    Descriptor.close(after)
    #expect(after == next)
  }

  @Test func `a program has no signal blocked, its own group, and is told by signals how it ended`()
    throws
  {
    let output = try Descriptor.pipe()
    defer { Descriptor.close(output.read) }
    let process = try TestProcess(
      "/bin/sh", ["-c", "ps -o pgid= -p $$; exec cat"], output: output.write, errors: 2)
    Descriptor.close(output.write)
    #expect(try Descriptor.wait(output.read, .read, timeout: 10_000))
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = Files.readSome(output.read, &bytes)
    let group = String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self).filter(\.isNumber)
    #expect(group == "\(process.processIdentifier)")
    #expect(process.isRunning)
    process.terminate()
    let end = process.waitUntilExit()
    #expect(end.shellStatus == 128 + SIGTERM && end.isKilled && !process.isRunning)
    // Its number may be another's by now.
    process.signal(SIGKILL)
    #expect(process.end == end)
  }

  @Test func `the end of its input ends a program that reads`() throws {
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    let process = try TestProcess("cat", [], output: null, errors: null)
    #expect(process.isRunning)
    process.closeInput()
    #expect(process.waitUntilExit() == .exited(0))
    #expect(throws: SystemError.self) {
      try TestProcess("/no/such/program", [], output: null, errors: null)
    }
  }
}
