// SPDX-License-Identifier: Apache-2.0
//
// What ovs-vsctl is asked, what its answers mean, and which notes are believed.

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct OVSCommandTests {
  private let port = OVSCommand.Port(tap: "ln0-lan", bridge: "br0", ifaceID: nil)

  @Test func `a port is added and removed in words that may be said twice`() throws {
    let words = try OVSCommand.add(port, .transient).joined(separator: " ")
    #expect(words.contains("--may-exist add-port br0 ln0-lan"))
    #expect(words.contains("set Port ln0-lan other_config:transient=true"))
    // Setting up again takes off an id of before; what an administrator made of the port later stays.
    let id = "remove Interface ln0-lan external_ids iface-id"
    #expect(try OVSCommand.add(port, .setUp).joined(separator: " ").hasSuffix(id))
    #expect(try !OVSCommand.add(port, .found).joined(separator: " ").contains("remove"))
    #expect(OVSCommand.remove("ln0-lan").suffix(3) == ["--if-exists", "del-port", "ln0-lan"])
    var logical = port
    logical.ifaceID = "ns_pod.1"
    #expect(
      try OVSCommand.add(logical, .setUp).last == "external_ids:iface-id=\"ns_pod.1\"")
  }

  @Test func `which bridge a port is of, that it is none, and that nobody may ask, are told apart`()
  {
    #expect(OVSCommand.bridge(of: "ln0-lan").suffix(2) == ["port-to-br", "ln0-lan"])
    #expect(OVSCommand.bridge(.exited(0), "br0\n") == .success("br0"))
    #expect(
      OVSCommand.bridge(.exited(1), "ovs-vsctl: no port named ln0-lan\n") == .success(nil))
    let words = "ovs-vsctl: unix:/r/db.sock: database connection failed (Permission denied)\n"
    guard case .failure(.denied) = OVSCommand.bridge(.exited(1), words) else {
      return #expect(Bool(false), "\(OVSCommand.bridge(.exited(1), words))")
    }
    #expect(OVSCommand.bridge(nil, "") == .failure(.noSwitch))
    guard case .failure = OVSCommand.bridge(.exited(0), "a b/c\u{1b}") else { return }
  }

  @Test(arguments: ["", " ", "a b", "a\"b", "a=b", "{a}", "a\n", "-a", ".a", "ä", "a,b"])
  func `an id that means something else to ovs-vsctl is none`(id: String) {
    var logical = port
    logical.ifaceID = id
    #expect(throws: OVSFailure.invalidID) { try OVSCommand.add(logical, .transient) }
  }

  @Test func `an id has at most 255 bytes`() {
    #expect(OVSCommand.isIfaceID(String(repeating: "a", count: 255)))
    #expect(!OVSCommand.isIfaceID(String(repeating: "a", count: 256)))
    #expect(OVSCommand.isIfaceID("7f0c9e3a-0d0c-4a8e-8d7e-0f5a5f4b1c2d"))
  }

  private static let connection =
    "ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed"

  @Test(
    arguments: [
      (.exited(0), "", nil),
      (
        .exited(1), connection + " (Permission denied)\n",
        .denied("unix:/run/openvswitch/db.sock: database connection failed (Permission denied)")
      ),
      (
        .exited(1), connection + " (No such file or directory)",
        .notRunning(
          "unix:/run/openvswitch/db.sock: database connection failed (No such file or directory)")
      ),
      (.killed(signal: 14, coreDumped: false), "2026|fatal_signal|WARN|terminating", .noSwitch),
      (nil, "", .noSwitch),
      (.exited(1), "ovs-vsctl: no bridge named br0\n", .noBridge("no bridge named br0")),
      // The database has it then, and the status is 0.
      (
        .exited(0), "ovs-vsctl: Error detected while setting up 'a': could not open\nsee the log",
        .refused("Error detected while setting up 'a': could not open")
      ),
      (.exited(1), "\u{1b}[31m\u{9b}1mred\n", .refused("?[31m?1mred")),
      (.exited(3), "", .refused("ovs-vsctl exited with status 3")),
    ] as [(ChildProcess.ExitStatus?, String, OVSFailure?)])
  func `each way in which ovs-vsctl ends has its meaning`(
    status: ChildProcess.ExitStatus?, said: String, meaning: OVSFailure?
  ) {
    #expect(OVSCommand.failure(status, said) == meaning)
  }

  @Test func `of the notes only names of interfaces of ours are believed, and few`() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
      .path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let many = (0..<2000).map { "ln\($0)" }.joined(separator: "\n")
    try "br0\nln0-lan\n\u{0}\n../ln\nln a\nln0-a-name-that-is-too-long\n\(many)"
      .write(toFile: path, atomically: true, encoding: .utf8)
    let notes = OVSNotes(path)
    notes.load()
    #expect(notes.all.contains("ln0-lan") && !notes.all.contains("br0"))
    #expect(notes.all.count <= 1024)
    #expect(notes.all.allSatisfy { $0.hasPrefix("ln") && BridgeCheck.isName($0) })
    for name in notes.all { notes.remove(name) }
    #expect(!FileManager.default.fileExists(atPath: path))
    notes.insert("ln0-lan")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "ln0-lan\n")
  }

  @Test func `without ovs-vsctl a port is not added, and nothing stays noted`() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
      .path
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let ports = OVSPorts(loop: loop, actor: actor, file: path)
    ports.program = { nil }
    let failure = actor.finish(on: loop) { [port] () -> OVSFailure? in
      do throws(OVSFailure) { _ = try await ports.add(port) } catch { return error }
      return nil
    }
    #expect(failure == .noProgram)
    #expect(!FileManager.default.fileExists(atPath: path))
    // What root has set up is believed.
    let isConfirmed = actor.finish(on: loop) { [port] () -> Bool in
      do throws(OVSFailure) { try await ports.confirm(port) } catch { return false }
      return true
    }
    #expect(isConfirmed)
  }

  @Test func `runs follow each other, and one that hangs is ended`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "lnd-\(UUID().uuidString)")
      .path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    var ended: [String] = []
    for (name, script, time) in [
      ("slow", "echo slow; exec sleep 30", 50_000_000 as UInt64),
      ("said", "echo out; echo err >&2", 5_000_000_000),
    ] {
      actor.begin {
        let words = ["/bin/sh", "-c", script]
        guard let outcome = try? await LoopCommand.run(words, within: time, loop: loop) else {
          return
        }
        ended.append("\(name) \(outcome.status.map { "\($0)" } ?? "late") \(outcome.said)")
      }
    }
    for _ in 0..<1000 where ended.count < 2 { loop.turn(limit: 10_000_000) }
    #expect(ended.sorted() == ["said exited with status 0 out\nerr\n", "slow late slow\n"])
  }
}
