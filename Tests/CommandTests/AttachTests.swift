// SPDX-License-Identifier: Apache-2.0
//
// What attach decides without a daemon: which process a container has, and what it says of resolv.conf.

#if os(Linux)

  import FoundationEssentials
  import Platform
  import Testing

  @testable import lima_netd

  @Suite(.timeLimit(.minutes(1))) struct AttachDecisionTests {
    /// Engines are programs of these machines' own: what they print is what Docker 28 and podman 4 do.
    private func engines(_ scripts: [String: String]) throws -> (ContainerProcess, folder: String) {
      let folder = Temporary.path()
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
      for (name, script) in scripts {
        let file = "\(folder)/\(name)"
        try ("#!/bin/sh\n" + script).write(toFile: file, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file)
      }
      return (
        ContainerProcess { scripts[$0] == nil ? nil : "\(folder)/\($0)" }, folder
      )
    }

    private func answer(_ scripts: [String: String], _ name: String = "web") throws -> String {
      let (containers, folder) = try engines(scripts)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      do { return String(try containers.identifier(of: name)) } catch { return "\(error)" }
    }

    @Test func theEngineThatHasTheContainerTellsItsProcess() throws {
      let unknown = "echo 'Error: No such container: web' >&2; exit 1"
      let asked = #"[ "$*" = "container inspect --format {{.State.Pid}} -- web" ] && echo 4711"#
      #expect(try answer(["docker": asked]) == "4711")
      #expect(try answer(["docker": unknown, "podman": asked]) == "4711")
      #expect(
        try answer(["docker": "echo 0"]).contains("web does not run\nStart it:  docker start web"))
      let nowhere = try answer(["docker": unknown, "podman": unknown])
      #expect(nowhere.contains("No container web was found"))
      #expect(
        nowhere.contains("docker: Error: No such container") && nowhere.contains("podman: Error"))
      #expect(try answer(["docker": "echo '\u{1b}[2J' >&2; exit 1"]).contains("?[2J"))
      let none = try answer([:])
      #expect(none.contains("neither is in PATH") && none.contains("--netns PID"))
    }

    @Test func theLinesForNamesAreToldWhereTheyAreNotThere() {
      func note(_ text: String?) -> String? {
        NamespaceResolver(file: "its /etc/resolv.conf", text: text)
          .note(["192.168.5.3"], search: ["lima.internal"])
      }
      #expect(note("# x\nnameserver 192.168.5.3\n") == nil)
      let told = note("nameserver 9.9.9.9\nnameserver 192.168.5.3\n")
      #expect(told?.hasSuffix(":\n  nameserver 192.168.5.3\n  search lima.internal") == true)
      #expect(note(nil)?.contains("its /etc/resolv.conf says, which is not there") == true)
      #expect(NamespaceResolver(file: "f", text: nil).note([], search: []) == nil)
    }

    @Test func aNameIsOneOfIPNetns() {
      #expect(NamespacePlace(netns: "no-such-lab").path == "/run/netns/no-such-lab")
      #expect(NamespacePlace(netns: "/a/b").path == "/a/b")
      #expect(NamespacePlace(netns: "/a/b").name == "netns-b")
      let process = NamespacePlace(netns: "4711")
      #expect(process.path == "/proc/4711/ns/net" && process.name == "pid-4711")
    }
  }

#endif
