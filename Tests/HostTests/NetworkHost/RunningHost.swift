// SPDX-License-Identifier: Apache-2.0
//
// A network-host as the supervisor sees it: a child with a control channel.

import LibC
import HostProtocol
import JSONCoding
import Platform
import TestSupport
import Testing

final class RunningHost {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  let pid: Int32
  let channel: MessageChannel
  let logPath: String
  private(set) var events: [HostEvent] = []
  private var nextID: UInt64 = 1
  private var reaped = false

  init() throws {
    let (ours, theirs) = try UnixSocket.pair()
    logPath = try Fixture.folder() + "/log"
    let log = open(logPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    defer {
      close(log)
      close(theirs)
    }
    channel = try MessageChannel(fd: ours)
    pid = try ChildProcess.spawn(
      Fixture.host, ["run", "--control-fd", "3"], fds: [(theirs, 3)], output: log)
  }

  deinit {
    guard !reaped else { return }
    channel.close()
    ChildProcess.kill(pid, SIGKILL)
    _ = try? ChildProcess.wait(pid)
  }

  /// A started network.
  static func running(
    _ plugin: Fixture, options: String = "{}", dns: Fixture? = nil, journal: Int32? = nil,
    holdsGuests: Bool = false
  ) throws -> RunningHost {
    let host = try RunningHost()
    var spec = NetworkSpec(
      name: "lab", mode: "echo", plugin: PluginRef(file: plugin.path, name: "echo"),
      options: options, dns: dns.map { PluginRef(file: $0.path, name: "mirror") })
    spec.holdsGuests = holdsGuests
    let reply = try host.request(.start(spec), fds: journal.map { [$0] } ?? [])
    guard reply == .ok else { throw Failure(description: "start: \(reply)") }
    return host
  }

  func send(_ request: HostRequest, fds: [Int32] = []) throws -> UInt64 {
    defer { nextID += 1 }
    try channel.sendBlocking(HostCodec.encode(request, id: nextID), fds: fds)
    return nextID
  }

  func request(_ request: HostRequest, fds: [Int32] = []) throws -> HostReply {
    let id = try send(request, fds: fds)
    while true {
      if case .reply(id, let reply) = try receive() { return reply }
    }
  }

  /// The next message but for word of leases, which may come at any time: that is only kept in `events`.
  func receive(timeout: Int32 = 10_000) throws -> HostMessage {
    while true {
      let message = try channel.receiveBlocking(timeout: timeout)
      let decoded = try HostCodec.decodeMessage(message.bytes)
      if case .event(let event) = decoded { events.append(event) }
      if case .event(.leasesChanged) = decoded { continue }
      return decoded
    }
  }

  /// Adds a datagram port; the guest's end.
  func addGuest(_ id: UInt64, name: String = "", transport: PortTransport = .dgram) throws
    -> (fd: Int32, reply: HostReply)
  {
    let (guest, host) = try UnixSocket.pair(type: transport == .dgram ? .datagram : .stream)
    defer { close(host) }
    let spec = PortSpec(id: id, transport: transport, name: name, mac: "52:55:55:00:00:01")
    return (guest, try request(.addPort(spec), fds: [host]))
  }

  func status() throws -> HostStatus {
    guard case .status(let status) = try request(.status) else {
      throw Failure(description: "no status")
    }
    return status
  }

  /// What the plugin says of itself.
  func plugin() throws -> JSONValue { try #require(status().plugin) }

  /// Asks for the status until it is as wanted.
  func wait(until isTrue: (JSONValue) throws -> Bool) throws -> JSONValue {
    var status = JSONValue.null
    let holds = try eventually {
      status = try plugin()
      return try isTrue(status)
    }
    guard holds else { throw Failure(description: "not within \(patience) s: \(status.text)") }
    return status
  }

  /// How it ended; waits at most 10 s.
  func exit() throws -> ChildProcess.ExitStatus {
    guard let status = try ChildProcess.wait(pid, timeout: 10_000_000_000) else {
      throw Failure(description: "it does not end")
    }
    reaped = true
    return status
  }

  var log: String { (try? String(decoding: Fixture.read(logPath), as: UTF8.self)) ?? "" }
}

/// Sends a frame and waits for one.
func exchange(_ fd: Int32, _ frame: [UInt8]) throws -> [UInt8] {
  guard Sockets.send(fd, frame, frame.count, 0) == frame.count else {
    throw RunningHost.Failure(description: "not sent")
  }
  return try receiveFrame(fd)
}

func receiveFrame(_ fd: Int32) throws -> [UInt8] {
  guard try Descriptor.wait(fd, .read, timeout: 5000) else {
    throw RunningHost.Failure(description: "nothing came back")
  }
  var buffer = [UInt8](repeating: 0, count: 70000)
  let count = buffer.withUnsafeMutableBytes { Sockets.recv(fd, $0.baseAddress, $0.count, 0) }
  guard count >= 0 else { throw SystemError("recv", Errno(Int32(-count))) }
  return Array(buffer[..<count])
}

let testFrame = padded(
  [2, 2, 3, 4, 5, 6] + [10, 12, 13, 14, 15, 16] + [0x88, 0xb5] + Array("hello".utf8))
let echoedFrame = padded(
  [10, 12, 13, 14, 15, 16] + [2, 2, 3, 4, 5, 6] + [0x88, 0xb5] + Array("hello".utf8))
