// SPDX-License-Identifier: Apache-2.0

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite("Lima's files", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct UsernetFilesTests {
  /// A fixture in which a fake plugin claims mode user-v2.
  static func fixture(prepare: (Fixture) throws -> Void = { _ in }) throws -> Fixture {
    let fixture = try Fixture(config: nil, start: false)
    try Fixture.write(
      fixture.plugins + "/lima-net-userv2.so",
      Fixture.inspection(
        kind: "network", name: "userv2", modes: ["user-v2"],
        schema: #"{"type":"object","properties":{"gateway":{},"netmask":{},"behavior":{}}}"#,
        isolated: false))
    try Files.makeDirectory(fixture.home.networkDirectory("user-v2"), mode: 0o755)
    try prepare(fixture)
    try fixture.supervisor.start()
    return fixture
  }

  func text(_ path: String) -> String? {
    (try? Files.read(path, limit: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
  }

  func pid(in file: String) throws -> Int32 {
    let line = try #require(text(file))
    return try #require(Int32(line.dropLast()))
  }

  /// One line with the number of a process that lives, and is not the daemon.
  func isAlive(_ pidFile: String) throws -> Bool {
    let line = try #require(text(pidFile))
    let pid = try #require(Int32(line.dropLast()))
    return line.last == "\n" && OtherProcess.isAlive(pid) && pid != CurrentProcess.id
  }

  @Test func `everything that Lima polls for is there, and gone after the end`() throws {
    let fixture = try Self.fixture()
    let directory = fixture.home.networkDirectory("user-v2")
    #expect(try fixture.network("user-v2").life.state.error == nil)
    for name in [
      "user-v2_qemu.sock", "user-v2_fd.sock", "user-v2_ep.sock", "usernet.user-v2.stdout.log",
      "usernet.user-v2.stderr.log",
    ] {
      #expect(Files.exists(directory + "/" + name), "\(name)")
    }
    #expect(try isAlive(directory + "/usernet_user-v2.pid"))
    #expect(!Files.exists(fixture.home.networkDirectory("default") + "/usernet_default.pid"))
    fixture.supervisor.shutdown("the test wants it")
    #expect(fixture.until { !Files.exists(fixture.home.pidFile) })
    for name in ["usernet_user-v2.pid", "user-v2_qemu.sock", "user-v2_ep.sock"] {
      #expect(!Files.exists(directory + "/" + name), "\(name)")
    }
  }

  @Test(arguments: [Int32(2), 9])
  func `Lima ends the process of the pid file, and the network is there again`(
    signal: Int32
  ) throws {
    let fixture = try Self.fixture()
    let network = try fixture.network("user-v2")
    let file = fixture.home.networkDirectory("user-v2") + "/usernet_user-v2.pid"
    _ = network.whenRunning()
    #expect(fixture.until { network.state == .running })
    let pid = try pid(in: file)
    let killed = MonotonicClock.now()
    ChildProcess.kill(pid, signal)
    #expect(fixture.until { !Files.exists(file) })
    #expect(!OtherProcess.isAlive(pid))
    #expect(network.listeners.isOpen)
    #expect(fixture.until { network.state == .stopped })
    #expect(fixture.until { Files.exists(file) })
    // Lima looks every 500 ms, and has to see it gone.
    #expect(MonotonicClock.now() - killed >= 500_000_000)
    #expect(try isAlive(file))
  }

  @Test func `while the file is gone nobody can start a usernet`() throws {
    let fixture = try Self.fixture()
    let directory = fixture.home.networkDirectory("user-v2")
    let file = directory + "/usernet_user-v2.pid"
    let pid = try pid(in: file)
    // As `limactl start`, which has the lock for as long as it takes to spawn one.
    let start = try #require(try Files.lockDirectory(directory))
    ChildProcess.kill(pid, 2)
    fixture.pass(0.3)
    // Lima asks by kill(2), for which also a process that has ended is there until its parent knows.
    #expect(kill(pid, 0) == 0 && Files.exists(file))
    Descriptor.close(start)
    #expect(fixture.until { !Files.exists(file) })
    // Another that looks now waits for the lock; when it has it, a usernet would find the file.
    var lock: Int32?
    var sawFile = false
    let hasLock = fixture.until {
      lock = try? Files.lockDirectory(directory)
      sawFile = Files.exists(file)
      return lock != nil
    }
    #expect(try hasLock && sawFile && isAlive(file))
    Descriptor.close(try #require(lock))
  }

  @Test func `guests that are not Lima's keep a network that Lima lets go of`() throws {
    let fixture = try Self.fixture()
    let network = try fixture.network("user-v2")
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    let file = fixture.home.networkDirectory("user-v2") + "/usernet_user-v2.pid"
    ChildProcess.kill(try pid(in: file), 2)
    #expect(fixture.until { !Files.exists(file) })
    #expect(fixture.until { Files.exists(file) })
    #expect(network.state == .running && network.guests.count == 1)
  }

  @Test func `files of a dead daemon are replaced, also when its number is another's by now`()
    throws
  {
    for pid in ["1", "999999999", "rubbish", "\(CurrentProcess.id)"] {
      let fixture = try Self.fixture { fixture in
        let directory = fixture.home.networkDirectory("user-v2")
        try Fixture.write(directory + "/usernet_user-v2.pid", pid)
        for kind in ["qemu", "fd", "ep"] {
          Descriptor.close(try UnixSocket.listen(path: directory + "/user-v2_\(kind).sock"))
        }
      }
      #expect(try fixture.network("user-v2").life.state.error == nil, "pid \(pid)")
      #expect(
        try isAlive(fixture.home.networkDirectory("user-v2") + "/usernet_user-v2.pid"))
    }
  }

  @Test(arguments: ["qemu", "fd", "ep"])
  func `a living daemon's socket is left alone, and the other networks are served`(
    kind: String
  ) throws {
    var foreign: Int32 = -1
    let fixture = try Self.fixture { fixture in
      foreign = try UnixSocket.listen(
        path: fixture.home.networkDirectory("user-v2") + "/user-v2_\(kind).sock")
    }
    let network = try fixture.network("user-v2")
    #expect(network.state == .failed)
    #expect(network.life.state.error?.message.contains("user-v2_\(kind).sock") == true)
    #expect(network.life.state.error?.message.contains("another process serves it") == true)
    let directory = fixture.home.networkDirectory("user-v2")
    #expect(!Files.exists(directory + "/usernet_user-v2.pid"))
    // Nothing of ours stays open beside it.
    for other in ["qemu", "fd", "ep"] where other != kind {
      #expect(!Files.exists(directory + "/user-v2_\(other).sock"))
    }
    #expect(try fixture.network("default").listeners.isOpen)
    // When it has gone, the network is served.
    Descriptor.close(foreign)
    #expect(fixture.until(12) { network.listeners.isOpen && network.life.state.error == nil })
    #expect(try isAlive(directory + "/usernet_user-v2.pid"))
  }

  @Test func `a usernet that has no sockets yet is left alone`() throws {
    var pid: Int32 = -1
    let fixture = try Self.fixture { fixture in
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      pid = try ChildProcess.spawn(
        "/bin/sh", ["-c", "sleep 60; true", "usernet"], fds: [(from: null, to: 0)])
      // A process amid its exec has no arguments yet, and vfork(2)'s parent goes on before that.
      #expect(fixture.until { !OtherProcess.arguments(pid).isEmpty })
      try Fixture.write(
        fixture.home.networkDirectory("user-v2") + "/usernet_user-v2.pid", "\(pid)\n")
    }
    defer {
      ChildProcess.kill(pid, 9)
      _ = try? ChildProcess.wait(pid)
    }
    let error = try #require(try fixture.network("user-v2").life.state.error)
    #expect(error.message.contains("process \(pid)") && error.message.contains("usernet"))
    #expect(
      text(fixture.home.networkDirectory("user-v2") + "/usernet_user-v2.pid") == "\(pid)\n")
  }

  @Test func `a directory that Lima has locked is left alone`() throws {
    var lock: Int32?
    let fixture = try Self.fixture { fixture in
      lock = try Files.lockDirectory(fixture.home.networkDirectory("user-v2"))
    }
    let network = try fixture.network("user-v2")
    #expect(network.life.state.error?.message.contains("is locked") == true)
    Descriptor.close(try #require(lock))
    #expect(fixture.until(12) { network.listeners.isOpen })
  }

  @Test func `leases are kept as Lima keeps them, while it runs and when it stops`() throws {
    let fixture = try Self.fixture { fixture in
      try Fixture.write(
        fixture.home.networkDirectory("user-v2") + "/fake-leases",
        #"[{"address":"192.168.104.3","mac":"52:55:55:00:00:03","state":"bound","expires":60},"#
          + #"{"address":"192.168.104.4","mac":"52:55:55:00:00:04","state":"offered"}]"#)
    }
    let network = try fixture.network("user-v2")
    let file = fixture.home.networkDirectory("user-v2") + "/leases.json"
    network.demand.isPinned = true
    network.start()
    #expect(fixture.until { Files.exists(file) })
    #expect(
      text(file)
        == #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.3":"52:55:55:00:00:03"}"# + "\n")
    try Fixture.write(
      fixture.home.networkDirectory("user-v2") + "/fake-leases",
      #"[{"address":"192.168.104.9","mac":"52:55:55:00:00:09"}]"#)
    try fixture.value { await network.end("the test wants it").value() }
    #expect(text(file)?.contains(#""192.168.104.9":"52:55:55:00:00:09""#) == true)
  }

  @Test func `hundreds of leases are kept by a thread, the last of them at the end`() throws {
    func leases(_ last: String) -> String {
      let some = (1...300).map { number in
        let (high, low) = (number / 250, number % 250 + 1)
        return
          #"{"address":"10.0.\#(high).\#(low)","mac":"52:55:55:00:0\#(high):\#(low % 90 + 10)"}"#
      }
      return "[" + (some + [#"{"address":"10.0.9.9","mac":"\#(last)"}"#]).joined(separator: ",")
        + "]"
    }
    let fixture = try Self.fixture { fixture in
      try Fixture.write(
        fixture.home.networkDirectory("user-v2") + "/fake-leases", leases("52:55:55:00:00:01"))
    }
    let network = try fixture.network("user-v2")
    let file = fixture.home.networkDirectory("user-v2") + "/leases.json"
    network.demand.isPinned = true
    network.start()
    #expect(fixture.until { text(file)?.contains("52:55:55:00:00:01") == true })
    #expect(text(file)?.components(separatedBy: "10.0.").count == 302)
    try Fixture.write(
      fixture.home.networkDirectory("user-v2") + "/fake-leases", leases("52:55:55:00:00:02"))
    try fixture.value { await network.end("the test wants it").value() }
    #expect(fixture.until { text(file)?.contains("52:55:55:00:00:02") == true })
  }

  @Test func `of a file of leases only what makes sense is taken`() {
    let subnet = IPv4Subnet(containing: IPv4Address(0xc0a8_6800), prefixLength: 24)
    let text =
      #"{"192.168.104.7":"52:55:55:00:00:07","192.168.105.1":"52:55:55:00:00:08","#
      + #""x":"52:55:55:00:00:09","192.168.104.8":"zz","192.168.104.9":7,"#
      + #""192.168.104.2":"52:55:55:00:00:02"}"#
    #expect(
      LimaLeases.decode(Array(text.utf8), of: subnet, gateway: "192.168.104.2") == [
        "192.168.104.7": "52:55:55:00:00:07", "192.168.104.2": "5a:94:ef:e4:0c:dd",
      ])
    #expect(LimaLeases.decode(Array("[]".utf8), of: nil, gateway: nil).isEmpty)
    #expect(LimaLeases.decode([0xff, 0x00], of: nil, gateway: nil).isEmpty)
  }
}
