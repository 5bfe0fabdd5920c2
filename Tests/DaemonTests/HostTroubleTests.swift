// SPDX-License-Identifier: Apache-2.0
//
// A lima-netd-host that does not work is what is told, once, and no plugin is blamed for it.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct HostTroubleTests {
  @Test func `a library that is missing is told with its package`() {
    let said =
      "/x/lima-netd-host: error while loading shared libraries: libltdl.so.7: cannot open shared object file: No such file or directory\n"
    #expect(
      "\(HostTrouble(status: .exited(127), said: said))"
        == "lima-netd-host cannot start: libltdl.so.7: no such file (apt-get install libltdl7)")
    let old = "/x/lima-netd-host: /lib/libc.so.6: version `GLIBC_2.99' not found"
    #expect("\(HostTrouble(status: .exited(1), said: old))".contains("`GLIBC_2.99' not found"))
    #expect(
      "\(HostTrouble(status: nil, said: ""))" == "lima-netd-host cannot start: it does not answer")
  }

  @Test func `it is told once, and not of each plugin`() {
    let trouble = HostTrouble(status: .exited(127), said: "no library")
    let files = ["/p/lima-net-a.so", "/p/lima-net-b.so"].map {
      Inspection(file: $0, reason: .loadFailed, detail: "\(trouble)")
    }
    let registry = Registry(levels: [
      PluginLevel(directory: "/p", builtin: true, files: files)
    ])
    #expect(registry.warnings == ["lima-netd-host cannot start: no library"])
    for mode in ["a", "slirp"] {
      do {
        _ = try registry.networkPlugin(mode: mode, pin: nil)
        Issue.record("there is no plugin")
      } catch {
        #expect(error.description == "lima-netd-host cannot start: no library")
      }
    }
  }
}
