// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Daemon
import Foundation
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(5))) struct InstanceCommandTests {
  /// As the daemon sends it.
  private func report() throws -> InstanceReport {
    try JSONText.decode(
      InstanceReport.self,
      from: """
        {"name":"vm","directory":"/l/vm","file":"/l/vm/lima.yaml","vmType":"qemu","arch":"x86_64",
         "hostname":"lima-vm","address":"192.168.104.3","sshLocalPort":60022,
         "interfaces":[{"id":"net0","name":"eth0","mac":"52:55:55:00:00:01","metric":200,
           "network":"user-v2","mode":"user-v2","qemu":"/l/q","fd":"/l/f","unixgram":"/l/u","vzNAT":false}],
         "nameservers":["192.168.104.2"],
         "forwards":[
           {"protocol":"tcp","host":"127.0.0.1:60022","guest":"192.168.104.3:22","state":"open"},
           {"protocol":"tcp","host":"127.0.0.1:80","guest":"192.168.104.3:80","state":"failed",
            "reason":"permission denied","error":"permission denied"}],
         "names":{"lima-vm.internal":["192.168.104.3"]},"warnings":[],"since":""}
        """)
  }

  @Test func instancesAreListedWithTheirForwards() throws {
    #expect(
      try InstanceText.table([report()]) == """
        INSTANCE  ADDRESS        SSH              NETWORKS  FORWARDS
        vm        192.168.104.3  127.0.0.1:60022  user-v2   1 open, 1 failed
        """)
    #expect(InstanceText.table([]) == "No instance is up.")
  }

  @Test func upSaysWhatItDid() throws {
    #expect(
      try InstanceText.details(report()) == """
        vm is up: its guest is 192.168.104.3
          eth0  52:55:55:00:00:01  network user-v2
          tcp 127.0.0.1:60022 to 192.168.104.3:22  open
          tcp 127.0.0.1:80 to 192.168.104.3:80  failed: permission denied
          name server  192.168.104.2
          lima-vm.internal  192.168.104.3
        """)
  }

  @Test func optionsAreParsed() throws {
    let up = try #require(
      try LimaNetd.parseAsRoot(["instance", "up", "vm.yaml", "--format", "qemu", "--shell"])
        as? InstanceUp)
    #expect(up.path == "vm.yaml" && up.format == .qemu && up.qemu.shell)
    let arguments = try #require(
      try LimaNetd.parseAsRoot(["qemu-args", "vm.yaml", "--first-fd", "3", "--name", "x"])
        as? QEMUArguments)
    #expect(arguments.qemu.firstDescriptor == 3 && arguments.name == "x")
    #expect(try LimaNetd.parseAsRoot(["instance"]) is InstanceList)
    #expect(
      (try LimaNetd.parseAsRoot(["instance", "inspect", "vm"]) as? InstanceInspect)?.name == "vm")
    for words in [
      ["instance", "up"], ["instance", "up", "x", "--format", "xen"],
      ["qemu-args", "x", "--first-fd", "-1"],
    ] {
      #expect(throws: (any Error).self) { try LimaNetd.parseAsRoot(words) }
    }
  }

  @Test func theVersionIsAskedOfTheProgram() throws {
    let program = "/tmp/lnd-qemu-\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: program) }
    func version(_ script: String) throws -> (major: Int, minor: Int)? {
      try ("#!/bin/sh\n" + script).write(toFile: program, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
      return QEMUVersion.installed(program)
    }
    #expect(try version("echo 'QEMU emulator version 9.2.1 (x)'")?.minor == 2)
    #expect(try version("yes") == nil)
    #expect(try version("exit 1") == nil)
    #expect(QEMUVersion.installed("/nowhere/qemu") == nil)
    #expect(QEMUVersion.installed("no-such-qemu-at-all") == nil)
  }
}
