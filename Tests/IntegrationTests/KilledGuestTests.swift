// SPDX-License-Identifier: Apache-2.0
//
// What kill -9 of `exec` and `tap` leaves behind: nothing.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct KilledGuestTests {
    /// The process that a script of the guest's wrote down.
    private func process(_ file: String) -> pid_t? {
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
      return pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private func isGone(_ process: pid_t) -> Bool {
      guard kill(process, 0) == 0 else { return true }
      // Nobody may have waited for it yet.
      let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
      return status?.contains(") Z ") ?? true
    }

    private func catches(_ signal: Int32, _ process: pid_t) -> Bool {
      let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
      let line = status?.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
      let mask = line?.split(whereSeparator: \.isWhitespace).last.flatMap { UInt64($0, radix: 16) }
      return (mask ?? 0) & 1 << UInt64(signal - 1) != 0
    }

    @Test(arguments: ["exec", "tap"])
    func `the command ends, whatever it does about signals`(word: String) throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let file = daemon.home + "/pid"
      // What a user could send is no matter to exec's.
      let trap = word == "exec" ? "trap '' TERM HUP INT; " : ""
      let guest = try daemon.begin(
        word, "default", "--", "sh", "-c",
        "\(trap)echo $$ >\(file).new; mv \(file).new \(file); while :; do sleep 0.05; done")
      defer { guest.stop() }
      #expect(eventually { process(file) != nil }, "\(guest.errors)")
      let command = try #require(process(file))
      kill(guest.process.processIdentifier, SIGKILL)
      #expect(eventually { isGone(command) })
      #expect(
        try eventually { (try daemon.network("default")["guests"] as? [Any])?.isEmpty == true })
    }

    @Test func `a virtual machine ends with tap`() throws {
      try require(.tap, .virtualMachine)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let file = daemon.home + "/pid"
      let qemu = "qemu-system-x86_64"
      try require(.program(qemu))
      let guest = try daemon.begin(
        "tap", "default", "--", qemu, "-accel", "tcg", "-m", "64", "-display", "none", "-S",
        "-nodefaults",
        "-pidfile", file, "-netdev", "tap,id=n0,fd=3", "-device",
        "virtio-net-pci,netdev=n0,mac=52:55:55:00:00:07,romfile=")
      defer { guest.stop() }
      #expect(eventually { process(file) != nil }, "\(guest.errors)")
      let machine = try #require(process(file))
      // Before it has its handler for the signal it ends, but not in good order.
      #expect(eventually { catches(SIGTERM, machine) })
      kill(guest.process.processIdentifier, SIGKILL)
      #expect(eventually { isGone(machine) })
      // It ended in good order: QEMU removes the file.
      #expect(eventually { !FileManager.default.fileExists(atPath: file) })
    }

    @Test func `a private daemon ends and removes its files`() throws {
      try require(.tap)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let place = daemon.home + "/tmp"
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      let guest = try RunningCommand(
        Installation.daemon, ["exec", "default", "--", "sh", "-c", "echo up; exec sleep 60"],
        environment: daemon.environment.merging(["TMPDIR": place]) { $1 })
      defer { guest.stop() }
      func files() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
      }
      #expect(eventually { guest.output.contains("up") }, "\(guest.errors)")
      #expect(files().count == 1, "\(files())")
      kill(guest.process.processIdentifier, SIGKILL)
      #expect(eventually { files().isEmpty }, "\(files())")
    }
  }
}
