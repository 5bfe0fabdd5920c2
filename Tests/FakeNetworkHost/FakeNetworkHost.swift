// SPDX-License-Identifier: Apache-2.0
//
// A network-host for tests of the supervisor: speaks HostProtocol, loads nothing, and misbehaves on request. Its
// "plugins" are files with the JSON text of an inspection. What a network is to do wrong is its option `behavior`; what
// it was asked is appended to `requests.log` in the network's directory.

import HostProtocol
import JSONCoding
import Platform

@main
enum FakeNetworkHost {
  static func main() throws {
    let arguments = CommandLine.arguments
    if arguments.count == 3, arguments[1] == "inspect" { return try inspect(arguments[2]) }
    let channel = try MessageChannel(fd: 3)
    let loop = try EventLoop()
    let host = FakeHost(channel: channel, loop: loop)
    try channel.attach(
      to: loop, onMessage: { host.received($0) }, onClose: { _ in loop.stop() })
    loop.run()
  }

  /// The file's text is the answer, with the file's name filled in; CRASH and HANG are what they say, FORK leaves a
  /// process behind that holds the output open, and its number in the file `forked` beside it.
  private static func inspect(_ file: String) throws {
    // As every network-host answers: this one works.
    if file == "/dev/null" {
      let answer = Inspection(file: file, reason: .loadFailed, detail: "no regular file")
      return try Files.writeAll(1, JSONCoder.encode(answer))
    }
    let text = String(decoding: try Files.read(file, limit: 1 << 20), as: UTF8.self)
    if text.hasPrefix("CRASH") { ChildProcess.kill(CurrentProcess.id, 11) }
    if text.hasPrefix("FORK") {
      let child = try ChildProcess.spawn("/bin/sleep", ["600"])
      let folder = file[..<(file.lastIndex(of: "/") ?? file.startIndex)]
      try Files.write(Array("\(child)".utf8), to: folder + "/forked", mode: 0o644)
    }
    if text.hasPrefix("HANG") { try EventLoop().run() }
    try Files.writeAll(1, Array(text.split(separator: "@FILE@").joined(separator: file).utf8))
  }
}

final class FakeHost {
  private let channel: MessageChannel
  private let loop: EventLoop
  private var directory = ""
  private var behavior = ""
  private var ports: [UInt64: Int32] = [:]
  private var captures: [UInt64: Int32] = [:]
  private var forwards: [ForwardSpec] = []
  private var unixgramGuest = false
  private var connects = 0

  init(channel: MessageChannel, loop: EventLoop) {
    self.channel = channel
    self.loop = loop
  }

  func received(_ message: MessageChannel.Message) {
    guard let envelope = try? HostCodec.decodeRequest(message.bytes) else { return loop.stop() }
    let reply = answer(envelope.body, message.fds)
    if let reply { send(.reply(id: envelope.id, reply)) }
    if case .stop = envelope.body, reply != nil { loop.stop() }
  }

  /// A list of three leases in three parts.
  private func part(of number: Int) -> HostReply {
    .part(
      ListingPart(
        value: [["address": .string("10.0.0.\(9 + number)"), "state": "bound"]],
        next: number < 2 ? ListingPlace(listing: 1, part: number + 1) : nil))
  }

  private func send(_ message: HostMessage) {
    guard let bytes = try? HostCodec.encode(message) else { return }
    channel.post(bytes, on: loop)
  }

  private func record(_ line: String) {
    guard !directory.isEmpty,
      let fd = try? Files.openForAppending(directory + "/requests.log", mode: 0o600)
    else { return }
    try? Files.writeAll(fd, Array((line + "\n").utf8))
    Descriptor.close(fd)
  }

  private func answer(_ request: HostRequest, _ fds: [Int32]) -> HostReply? {
    switch request {
    case .start(let spec): return start(spec, fds)
    case .validate(let spec):
      return spec.options.contains("sour")
        ? .failed(
          HostError(.invalidConfig, "is sour", jsonPointer: "/taste", plugin: spec.plugin.name))
        : .ok
    case .addPort(let port): return add(port, fds)
    case .addUnixgramListener:
      record("listener")
      if let fd = fds.first { watchUnixgram(fd) }
      return .ok
    case .removePort(let id):
      record("removePort")
      remove(id)
      return .ok
    case .expose(let forward):
      record("expose \(forward.host)")
      // A line for each address that others have just now.
      let taken = (try? Files.read(directory + "/fake-taken", limit: 1 << 16)) ?? []
      if forward.host == "127.0.0.1:1"
        || String(decoding: taken, as: UTF8.self).split(separator: "\n").contains(forward.host[...])
      {
        return .failed(HostError(.exists, "the address is taken", plugin: "fake"))
      }
      var open = forward
      if forward.host.hasSuffix(":0") {
        open.host = forward.host.dropLast() + "\(40000 + forwards.count)"
      }
      forwards.append(open)
      return .ok
    case .unexpose(let forward):
      record("unexpose \(forward.host)")
      forwards.removeAll { $0.host == forward.host }
      return .ok
    case .listForwards:
      return .json((try? JSONCoder.jsonValue(of: forwards)) ?? .array([]))
    case .listLeases where Files.exists(directory + "/fake-lease-parts"):
      return part(of: 0)
    case .listingPart(let place): return part(of: place.part)
    case .listLeases:
      if let text = try? Files.read(directory + "/fake-leases", limit: 1 << 16) {
        return json(String(decoding: text, as: UTF8.self))
      }
      return json(
        #"[{"address":"10.0.0.9","mac":"52:55:55:00:00:01","state":"bound","expires":60}]"#)
    case .listStations:
      let stations = ports.keys.sorted().map { #""52:55:55:00:00:0\#($0 + 2)":\#($0)"# }
      return json("{\(stations.joined(separator: ","))}")
    case .reserveLease:
      record("reserveLease")
      if behavior == "crash-at-every-lease" { ChildProcess.kill(CurrentProcess.id, 9) }
      // The first process of the network dies over the question.
      if behavior == "crash-at-lease", !Files.exists(directory + "/crashed") {
        if let fd = try? Files.openForAppending(directory + "/crashed", mode: 0o600) {
          Descriptor.close(fd)
        }
        ChildProcess.kill(CurrentProcess.id, 9)
      }
      if behavior == "no-leases" { return .failed(HostError(.unsupported, "no leases")) }
      return json(
        #"{"address":"10.0.0.9","prefixLength":24,"gateway":"10.0.0.1","dns":["10.0.0.3"],"mtu":1500,"search":[]}"#
      )
    case .setDNS(let spec):
      record("setDNS \(spec.plugin.name) \(spec.options) ipv6 \(spec.policy.ipv6)")
      if spec.plugin.name == "fatal" { ChildProcess.kill(CurrentProcess.id, 11) }
      if spec.plugin.name == "sour" {
        return .failed(
          HostError(.invalidConfig, "is not to its taste", jsonPointer: "/taste", plugin: "sour"))
      }
      return .ok
    case .listDNSCache(let which):
      let name = which.from == 0 ? "a" : "b"
      let next = which.from == 0 ? #","next":7"# : ""
      return json(
        #"{"entries":[{"name":"\#(name).example","type":"A","class":"IN","flags":"","code":"NOERROR","answers":2,"ttl":9,"octets":40}]\#(next)}"#
      )
    case .flushDNSCache(let which):
      record("flush" + (which.name.map { " \($0)\(which.below ? " and below" : "")" } ?? ""))
      return json("3")
    case .resolve(let question):
      return .resolved(Resolved(message: question.message, milliseconds: 1.5))
    case .startCapture(let spec):
      record("capture")
      if let fd = fds.first {
        captures[spec.id] = fd
        try? Files.writeAll(fd, Array("PCAP".utf8))
      }
      return .ok
    case .stopCapture(let id):
      record("stopCapture")
      if let fd = captures.removeValue(forKey: id) { Descriptor.close(fd) }
      return .ok
    case .connect(let spec):
      record("connect \(spec.guest)")
      return connect(spec, fds)
    case .setNames(let set):
      if set.zones.contains(where: { $0.name == "refused." }) {
        return .failed(HostError(.invalidConfig, "not this zone"))
      }
      let hosts = set.hosts.sorted { $0.key < $1.key }.map {
        "\($0.key)=\($0.value.joined(separator: ","))"
      }
      let zones = set.zones.map { "\($0.name)\($0.records.map { "\($0.name)=\($0.address)" })" }
      // Of a part of a set, whose it is.
      let owner = set.owner.prefix { $0 != "\0" }
      record("names \(owner) \((hosts + zones).joined(separator: " "))")
      return .ok
    case .status:
      var status = HostStatus(plugin: ["flows": 3])
      status.ports = [1, 2].map { PortStatus(id: $0, name: "", kind: "stream") }
      status.hasMorePorts = true
      return .status(status)
    case .statusOfPorts(let last):
      var status = HostStatus()
      status.ports = [PortStatus(id: last + 1, name: "", kind: "stream")]
      status.hasMorePorts = last < 4
      return .status(status)
    case .stop:
      record("stop")
      return behavior == "hang-at-stop" ? nil : .ok
    default:
      return .ok
    }
  }

  /// What is no JSON is null.
  private func json(_ text: String) -> HostReply {
    .json((try? JSONValue(parsing: Array(text.utf8))) ?? .null)
  }

  private func start(_ spec: NetworkSpec, _ fds: [Int32]) -> HostReply? {
    directory = spec.stateDirectory
    behavior = (try? JSONValue(parsing: spec.options))?["behavior"]?.string ?? ""
    record("start \(spec.plugin.name) \(spec.dns?.name ?? "-") \(spec.options) fds \(fds.count)")
    switch behavior {
    case "crash-at-start":
      try? Files.writeAll(1, Array("about to fall over\n".utf8))
      ChildProcess.kill(CurrentProcess.id, 11)
    case "refuse":
      return .failed(
        HostError(.invalidConfig, "is not to its taste", jsonPointer: "/behavior", plugin: "fake"))
    case "garbage":
      channel.post(Array("{\"nonsense\":".utf8), on: loop)
      return nil
    default: break
    }
    return .ok
  }

  private func add(_ port: PortSpec, _ fds: [Int32]) -> HostReply {
    record(
      "port \(port.transport.rawValue) \(port.name) slot \(port.journalSlot >= 0) resumed \(port.resumed) fds \(fds.count)"
    )
    guard let fd = fds.first else { return .failed(HostError(.internal, "no descriptor")) }
    if behavior == "boundary", port.resumed {
      Descriptor.close(fd)
      return .failed(HostError(.boundary, "unknown"))
    }
    ports[port.id] = fd
    if port.transport.isStream {
      try? loop.add(fd, .read) { [self] _ in
        var buffer = [UInt8](repeating: 0, count: 4096)
        if Files.readSome(fd, &buffer) == 0 {
          remove(port.id)
          send(.event(.portGone(id: port.id, reason: "end of stream")))
        }
      }
    }
    return .ok
  }

  /// A guest that greets and echoes; no one at port 1, and at port 2 from the third time on.
  private func connect(_ spec: ConnectSpec, _ fds: [Int32]) -> HostReply {
    connects += 1
    let port = spec.guest.split(separator: ":").last ?? ""
    guard let fd = fds.first, port != "1", port != "2" || connects > 2 else {
      for fd in fds { Descriptor.close(fd) }
      return .failed(HostError(.system, "connection refused", plugin: "fake"))
    }
    try? Files.writeAll(fd, Array("SSH-2.0-fake\n".utf8))
    try? loop.add(fd, .read) { [self] _ in
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = Files.readSome(fd, &buffer)
      if count <= 0 {
        loop.remove(fd)
        Descriptor.close(fd)
      } else {
        try? Files.writeAll(fd, Array(buffer[..<count]))
      }
    }
    return .ok
  }

  private func remove(_ id: UInt64) {
    guard let fd = ports.removeValue(forKey: id) else { return }
    loop.remove(fd)
    Descriptor.close(fd)
  }

  private func watchUnixgram(_ fd: Int32) {
    try? loop.add(fd, .read) { [self] _ in
      var buffer = [UInt8](repeating: 0, count: 65536)
      _ = Files.readSome(fd, &buffer)
      let id: UInt64 = 1 << 32
      if buffer.starts(with: "BYE".utf8), unixgramGuest {
        unixgramGuest = false
        return send(.event(.guestGone(id: id)))
      }
      guard !unixgramGuest else { return }
      unixgramGuest = true
      send(.event(.guestUp(id: id, name: "dgram-guest", listener: 1, address: "/dgram-guest")))
    }
  }
}
