// SPDX-License-Identifier: Apache-2.0
//
// Daemons of other homes, as /proc has them, and what is told of them.

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct OtherDaemonsTests {
  private func withProc(_ body: (String) throws -> Void) throws {
    let proc = FileManager.default.temporaryDirectory.path + "/proc\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: proc) }
    func process(_ pid: Int, _ name: String, _ links: [String], _ info: String = "") throws {
      for folder in ["fd", "fdinfo"] {
        try FileManager.default.createDirectory(
          atPath: "\(proc)/\(pid)/\(folder)", withIntermediateDirectories: true)
      }
      try (name + "\n").write(
        toFile: "\(proc)/\(pid)/comm", atomically: false, encoding: .utf8)
      for (number, target) in links.enumerated() {
        try FileManager.default.createSymbolicLink(
          atPath: "\(proc)/\(pid)/fd/\(number)", withDestinationPath: target)
        try info.write(
          toFile: "\(proc)/\(pid)/fdinfo/\(number)", atomically: false, encoding: .utf8)
      }
    }
    func namespace(_ pid: String, _ target: String) throws {
      try FileManager.default.createDirectory(
        atPath: "\(proc)/\(pid)/ns", withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: "\(proc)/\(pid)/ns/net", withDestinationPath: target)
    }
    let file = "/_networks/lima-netd.pid"
    let tap = "pos:\t0\nflags:\t02\niff:\tln7-shared\n"
    try process(10, "lima-netd", ["/dev/null", "/h/two" + file, "/dev/net/tun"], tap)
    try process(11, "lima-netd", ["/h/one" + file, "/dev/net/tun"], tap)
    try process(12, "bash", ["/h/three" + file, "/dev/net/tun"], tap)
    try process(13, "lima-netd", ["/dev/null"])
    try process(14, "lima-netd", ["/h/four" + file])
    try namespace("self", "net:[1]")
    try namespace("10", "net:[1]")
    // A container's: its ln7-shared is another interface.
    try process(15, "lima-netd", ["/h/five" + file, "/dev/net/tun"], tap)
    try namespace("15", "net:[2]")
    try body(proc)
  }

  @Test
  func
    `each other home's daemon is found, with the interfaces that it holds in this network namespace`()
    throws
  {
    try withProc { proc in
      let found = OtherDaemons.find(otherThan: "/h/one", proc: proc)
      #expect(
        found == [
          OtherDaemon(pid: 10, home: "/h/two", interfaces: ["ln7-shared"]),
          OtherDaemon(pid: 14, home: "/h/four", interfaces: []),
          OtherDaemon(pid: 15, home: "/h/five", interfaces: []),
        ])
      let loop = try EventLoop()
      let answer = LoopActor.running(loop).finish(on: loop) {
        await OtherDaemons.holder(of: "ln7-shared", otherThan: "/h/one", on: loop, proc: proc)
      }
      #expect(answer?.home == "/h/two")
    }
  }

  @Test func `what is in the way is told by the home that it is of`() {
    let other = OtherDaemon(pid: 10, home: "/h/a b", interfaces: ["ln7-shared"])
    let advice = HostTapAdvice(network: "shared", command: "/n", home: "")
    let busy = advice.report(.busy(interface: "ln7-shared", by: other)).message
    #expect(busy.contains("in use by the lima-netd of /h/a b (process 10)"), "\(busy)")
    #expect(busy.hasSuffix("/n network stop shared --lima-home '/h/a b'"), "\(busy)")
    let taken = advice.report(
      .subnetTaken(
        wants: "192.168.105.1/24", interface: "ln7-shared", has: "192.168.105.1/24", by: other))
    #expect(taken.message.contains("is that of the lima-netd of /h/a b (process 10)"))
  }
}
