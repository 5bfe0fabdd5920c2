// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor does about a helper that is unsafe, or that does not come back.

import Foundation
import Platform
import Testing

@testable import Daemon

#if os(Linux)
  @Suite(.timeLimit(.minutes(1))) struct HelperRunTests {
    /// The end of `finish` for a shell script in the helper's place.
    private func outcome(_ script: String, within time: UInt64) throws -> (Bool, String) {
      let loop = try EventLoop()
      let run = try HelperRun(["/bin/sh", "-c", script], isRoot: true, loop: loop)
      var found: (Bool, String)?
      let outcome = LoopActor.running(loop).finish(on: loop) { await run.finish(within: time) }
      if case .failed(let status, let text) = outcome { found = (status.isSuccess, text) }
      return try #require(found)
    }

    @Test func `its words come back`() throws {
      let (succeeded, text) = try outcome("echo no >&2; exit 3", within: 30_000_000_000)
      #expect(!succeeded && text == "no\n")
    }

    @Test func `one that hangs, and what it leaves behind with its socket, keep nobody waiting`()
      throws
    {
      for script in [
        "exec sleep 40", "exec 3<&0; sleep 40 <&3 & wait", "exec 3<&0; sleep 40 <&3 & exit 0",
      ] {
        let (succeeded, text) = try outcome(script, within: 200_000_000)
        #expect(!succeeded && text.contains("did not end"), "\(script): \(text)")
      }
    }

    @Test func `a helper that others could change is not run, by nobody`() throws {
      let loop = try EventLoop()
      let network = try ConfigDecoder.decode(
        Array("networks: {safe: {mode: shared}}".utf8), file: "f", homeDirectory: "/h"
      ).networks.first { $0.name == "safe" }
      let request = try #require(network.flatMap { HostTapRequest($0) })
      let actor = LoopActor.running(loop)
      for user: UInt32 in [0, 4_000_000] {
        let maker = HostTapMaker(
          loop: loop, helper: "/x/lima-netd-tap",
          ports: OVSPorts(loop: loop, actor: actor, file: "/nonexistent/p"), user: user)
        maker.sudo = { "/no/sudo/is/run" }
        maker.judge = { path in
          .worldWritable(PathNode(path, PathStatus(kind: .file, mode: 0o777)))
        }
        var found: HostTapError?
        if case .failure(let error) = actor.finish(on: loop, { await maker.result(request) }) {
          found = error
        }
        let error = try #require(found)
        let report = HostTapAdvice(network: "safe", command: "lima-netd", home: "").report(error)
        #expect(report.message.contains("file `/x/lima-netd-tap` is world-writable"), "\(report)")
        #expect(report.message.hasSuffix("sudo chmod o-w /x/lima-netd-tap"))
      }
    }
  }
#endif
