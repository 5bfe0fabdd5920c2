// SPDX-License-Identifier: Apache-2.0
//
// A host for one plugin instance, behind the C ABI as the real one: real sockets and
// real time (poll), ports that keep the frames they are sent, a DNS that answers by
// rule. One thread.

import LibC
import LimaNetdSDK
import NetStack
import Platform
import PluginAPI
import SlirpCore
import Wire

/// See the head of this file.
final class TestHost {
  struct Watch {
    var fd: Int32
    var events: UInt32
    var user: UInt64
  }

  struct Failure: Error, Equatable {
    var status: lnd_status
    var pointer: String?
    var text: String
  }

  struct Timeout: Error {
    var what: String
  }

  private(set) var watches: [lnd_handle: Watch] = [:]
  private var timers: [lnd_handle: (deadline: UInt64, user: UInt64)] = [:]
  private var nextHandle: UInt64 = 1
  private(set) var lines: [String] = []
  private(set) var failure: Failure?
  private(set) var completions: [lnd_op: (status: lnd_status, text: String)] = [:]
  private(set) var published: [String: String] = [:]
  private var sinkText: [UInt8] = []
  /// Frames the plugin sent, whole and with complete checksums, by port.
  var sent: [lnd_port: [[UInt8]]] = [:]
  /// Frames a port still takes; nil: all.
  var room: Int?
  /// Answers a DNS message; nil leaves it unanswered.
  var answerDNS: ([UInt8]) -> [UInt8]? = { _ in nil }
  private var dueAnswers: [(op: lnd_op, answer: [UInt8])] = []
  private(set) var dnsTransports: [UInt32] = []

  private let table = UnsafeMutablePointer<lnd_host>.allocate(capacity: 1)
  private let dnsTable = UnsafeMutablePointer<lnd_host_dns>.allocate(capacity: 1)
  private let namesTable = UnsafeMutablePointer<lnd_host_names>.allocate(capacity: 1)
  private let plugin: UnsafePointer<lnd_plugin>
  private let ops: lnd_network_ops
  private var instance: UnsafeMutableRawPointer?

  /// Creates and starts an instance of slirp.
  init(options: String = "{}") throws {
    let module = Module(
      id: "test", version: "0", license: "Apache-2.0",
      plugins: [
        .network(
          Slirp.self, name: "slirp", summary: "", modes: ["slirp"], isolated: true,
          schema: Slirp.schema)
      ])
    guard let plugins = module.pointer.pointee.plugins, let plugin = plugins[0],
      let ops = plugin.pointee.ops
    else { throw Timeout(what: "a descriptor") }
    self.plugin = plugin
    self.ops = ops.assumingMemoryBound(to: lnd_network_ops.self).pointee
    fillTables()
    // The guests of these tests speak IPv4 and expect nothing else on their link; IPv6 has tests of its own.
    let options =
      options == "{}" ? #"{"ipv6": false}"# : #"{"ipv6": false, "# + options.dropFirst()
    instance = options.withCString { options in
      "lab".withCString { name in
        "slirp".withCString { mode in
          var config = lnd_instance_config()
          config.size = UInt32(MemoryLayout<lnd_instance_config>.size)
          config.network = name
          config.mode = mode
          config.options = options
          config.options_length = UInt64(strlen(options))
          return self.ops.instance.create(plugin, table, &config)
        }
      }
    }
    guard instance != nil else { throw failure ?? Failure(status: 0, pointer: nil, text: "") }
    guard self.ops.instance.start(instance, 1) == LND_OK else {
      throw failure ?? Failure(status: 0, pointer: nil, text: "")
    }
  }

  deinit {
    if let instance {
      ops.instance.stop(instance, 1)
      ops.instance.destroy(instance)
    }
    table.deallocate()
    dnsTable.deallocate()
    namesTable.deallocate()
  }

  /// Ends the instance and returns what is left behind: nothing, if all is well.
  func finish() -> (watches: Int, timers: Int) {
    ops.instance.stop(instance, 1)
    ops.instance.destroy(instance)
    instance = nil
    return (watches.count, timers.count)
  }

  // MARK: The loop

  /// Polls until `condition` holds.
  func run(_ what: String, seconds: Double = 5, until condition: () -> Bool) throws {
    let end = MonotonicClock.now() + UInt64(seconds * 1e9)
    while !condition() {
      guard MonotonicClock.now() < end else { throw Timeout(what: what) }
      turn()
    }
  }

  /// Polls for a while: to see that nothing happens.
  func run(seconds: Double) {
    let end = MonotonicClock.now() + UInt64(seconds * 1e9)
    while MonotonicClock.now() < end { turn() }
  }

  private func turn() {
    let handles = Array(watches.keys)
    var fds = handles.map { handle in
      let events = watches[handle]?.events ?? 0
      return pollfd(
        fd: watches[handle]?.fd ?? -1,
        events: Int16(
          (events & LND_FD_READ != 0 ? POLLIN : 0)
            | (events & LND_FD_WRITE != 0 ? POLLOUT : 0)), revents: 0)
    }
    _ = poll(&fds, nfds_t(fds.count), 5)
    var events: [lnd_fd_event] = []
    for (index, handle) in handles.enumerated() where fds[index].revents != 0 {
      guard let watch = watches[handle] else { continue }
      let ready = Int32(fds[index].revents)
      var flags: UInt32 = 0
      if ready & POLLIN != 0 { flags |= LND_FD_READ }
      if ready & POLLOUT != 0 { flags |= LND_FD_WRITE }
      if ready & POLLERR != 0 { flags |= LND_FD_ERROR }
      if ready & POLLHUP != 0 { flags |= LND_FD_ERROR | LND_FD_HANGUP }
      events.append(lnd_fd_event(user: watch.user, events: flags, reserved: 0))
    }
    if !events.isEmpty { ops.instance.on_fds(instance, events, UInt32(events.count)) }
    let now = MonotonicClock.now()
    for (handle, timer) in timers where timer.deadline <= now {
      timers[handle] = nil
      ops.instance.on_timer(instance, handle, timer.user)
    }
    let answers = dueAnswers
    dueAnswers = []
    for (op, answer) in answers {
      ops.instance.on_op_done(instance, op, LND_OK, answer, UInt64(answer.count))
    }
  }

  // MARK: The host's side of calls

  @discardableResult
  func portUp(_ port: lnd_port, name: String = "", mtu: UInt32 = 0) -> lnd_status {
    name.withCString { name in
      var info = lnd_port_info()
      info.size = UInt32(MemoryLayout<lnd_port_info>.size)
      info.kind = LND_PORT_GUEST
      info.port = port
      info.mtu = mtu
      info.name = name
      return ops.port_up(instance, &info)
    }
  }

  func portDown(_ port: lnd_port) { ops.port_down(instance, port) }

  func rx(_ port: lnd_port, _ frames: [[UInt8]]) {
    let sizes = frames.map(\.count)
    var bytes = frames.flatMap { $0 }
    bytes.withUnsafeMutableBufferPointer { buffer in
      guard var at = buffer.baseAddress else { return }
      let list = sizes.map { size in
        var frame = lnd_frame()
        frame.data = UnsafePointer(at)
        frame.length = UInt32(size)
        at += size
        return frame
      }
      ops.rx(instance, port, list, UInt32(list.count))
      // Borrowed means borrowed: what is kept by mistake shows.
      for index in buffer.indices { buffer[index] = 0xdb }
    }
  }

  func txReady(_ port: lnd_port) { ops.tx_ready(instance, port) }

  func status() throws -> JSONValue {
    sinkText = []
    ops.instance.status(instance, 1)
    return try JSONValue(parsing: String(decoding: sinkText, as: UTF8.self))
  }

  private func forwardTable() throws -> lnd_plugin_forward {
    guard let table = plugin.pointee.get_extension(plugin, LND_EXT_FORWARD) else {
      throw Timeout(what: "limanetd.forward/1")
    }
    return table.assumingMemoryBound(to: lnd_plugin_forward.self).pointee
  }

  /// Exposes; returns the status and its text.
  func expose(
    _ proto: UInt32, _ host: String, _ guest: String, name: String = "", remove: Bool = false
  ) throws -> (status: lnd_status, text: String) {
    let table = try forwardTable()
    let op = nextHandle
    nextHandle += 1
    host.withCString { path in
      name.withCString { name in
        var forward = lnd_forward()
        forward.size = UInt32(MemoryLayout<lnd_forward>.size)
        forward.protocol = proto & 0xffff
        forward.flags = proto & 0xffff_0000
        forward.listener = -1
        if host.hasPrefix("/") {
          forward.path = path
        } else if let endpoint = TestHost.endpoint(host) {
          forward.host = endpoint
        }
        if !remove, let endpoint = TestHost.endpoint(guest) { forward.guest = endpoint }
        forward.guest_name = name
        if remove {
          table.unexpose(instance, op, &forward)
        } else {
          table.expose(instance, op, &forward)
        }
      }
    }
    return completions[op] ?? (LND_ERR_INTERNAL, "not completed")
  }

  func forwards() throws -> JSONValue {
    let table = try forwardTable()
    sinkText = []
    table.list(instance, 1)
    return try JSONValue(parsing: String(decoding: sinkText, as: UTF8.self))
  }

  func leases() throws -> JSONValue {
    try withLeaseTable { $0.list(instance, 1) }
    return try JSONValue(parsing: String(decoding: sinkText, as: UTF8.self))
  }

  func reserve(_ port: lnd_port, mac: MACAddress, name: String) throws -> JSONValue {
    var status: lnd_status = LND_OK
    try name.withCString { name in
      var request = lnd_lease_request()
      request.size = UInt32(MemoryLayout<lnd_lease_request>.size)
      request.port = port
      request.mac = mac.bytes
      request.name = name
      try withLeaseTable { status = $0.reserve(instance, &request, 1) }
    }
    guard status == LND_OK else { throw failure ?? Failure(status: status, pointer: nil, text: "") }
    return try JSONValue(parsing: String(decoding: sinkText, as: UTF8.self))
  }

  private func withLeaseTable(_ body: (lnd_plugin_lease) -> Void) throws {
    guard let table = plugin.pointee.get_extension(plugin, LND_EXT_LEASE) else {
      throw Timeout(what: "limanetd.lease/1")
    }
    sinkText = []
    body(table.assumingMemoryBound(to: lnd_plugin_lease.self).pointee)
  }

  /// As the ABI has "127.0.0.1:8080"; nil: it is none.
  private static func endpoint(_ text: String) -> lnd_endpoint? {
    guard let endpoint = Wire.Endpoint(text) else { return nil }
    return LimaNetdSDK.Endpoint(
      high: endpoint.address.high, low: endpoint.address.low, port: endpoint.port
    ).raw
  }

  // MARK: Tables

  private static func host(_ context: UnsafeMutableRawPointer?) -> TestHost {
    // Set by fillTables and alive as long as the plugin: the test holds it.
    Unmanaged<TestHost>.fromOpaque(context.unsafelyUnwrapped).takeUnretainedValue()
  }

  private func fillTables() {
    var host = lnd_host()
    host.size = UInt32(MemoryLayout<lnd_host>.size)
    host.ctx = Unmanaged.passUnretained(self).toOpaque()
    host.log = { context, _, text, length in
      TestHost.host(context).lines.append(TestHost.string(text, length))
    }
    host.wake = { _ in }
    host.now_ns = { _ in MonotonicClock.now() }
    host.fd_add = { context, fd, events, user, watch in
      let host = TestHost.host(context)
      watch?.pointee = host.add { host.watches[$0] = Watch(fd: fd, events: events, user: user) }
      return LND_OK
    }
    host.report = { _, _, _, _ in }
    host.fd_modify = { context, handle, events in
      TestHost.host(context).watches[handle]?.events = events
      return LND_OK
    }
    host.fd_remove = { context, handle in TestHost.host(context).watches[handle] = nil }
    host.timer_at = { context, deadline, user in
      let host = TestHost.host(context)
      return host.add { host.timers[$0] = (deadline, user) }
    }
    host.timer_cancel = { context, handle in TestHost.host(context).timers[handle] = nil }
    host.send = { context, port, frames, count in
      guard let frames else { return 0 }
      return TestHost.host(context).take(port, frames, Int(count))
    }
    host.fail = { context, status, pointer, text, length in
      TestHost.host(context).failure = Failure(
        status: status, pointer: pointer.map { String(cString: $0) },
        text: TestHost.string(text, length))
      return status
    }
    host.op_done = { context, op, status, bytes, length in
      let text = UnsafeBufferPointer(start: bytes, count: Int(length))
      TestHost.host(context).completions[op] = (status, String(decoding: text, as: UTF8.self))
      return LND_OK
    }
    host.write = { context, _, bytes, length in
      TestHost.host(context).sinkText += UnsafeBufferPointer(start: bytes, count: Int(length))
      return LND_OK
    }
    host.get_extension = { context, id in
      guard let id else { return nil }
      switch String(cString: id) {
      case LND_EXT_DNS: return UnsafeRawPointer(TestHost.host(context).dnsTable)
      case LND_EXT_NAMES: return UnsafeRawPointer(TestHost.host(context).namesTable)
      default: return nil
      }
    }
    table.initialize(to: host)

    var dns = lnd_host_dns()
    dns.size = UInt32(MemoryLayout<lnd_host_dns>.size)
    dns.query = { context, query in
      guard let query = query?.pointee else { return 0 }
      let host = TestHost.host(context)
      host.dnsTransports.append(query.transport)
      let message = Array(UnsafeBufferPointer(start: query.message, count: Int(query.length)))
      let answer = host.answerDNS(message)
      return host.add { if let answer { host.dueAnswers.append(($0, answer)) } }
    }
    dns.cancel = { context, op in
      TestHost.host(context).dueAnswers.removeAll { $0.op == op }
    }
    dnsTable.initialize(to: dns)

    var names = lnd_host_names()
    names.size = UInt32(MemoryLayout<lnd_host_names>.size)
    names.publish = { context, name, address in
      guard let name, let address else { return LND_ERR_INVALID_CONFIG }
      TestHost.host(context).published[String(cString: name)] =
        LimaNetdSDK.Endpoint(address.pointee).address
      return LND_OK
    }
    names.withdraw = { context, name, _ in
      if let name { TestHost.host(context).published[String(cString: name)] = nil }
      return LND_OK
    }
    namesTable.initialize(to: names)
  }

  private func add(_ body: (lnd_handle) -> Void) -> lnd_handle {
    let handle = nextHandle
    nextHandle += 1
    body(handle)
    return handle
  }

  private static func string(_ text: UnsafePointer<CChar>?, _ length: UInt64) -> String {
    String(
      decoding: UnsafeRawBufferPointer(start: text, count: Int(length)), as: UTF8.self)
  }

  /// Takes frames as a port does: joins slices, completes checksums.
  private func take(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) -> UInt32 {
    let taken = min(count, room ?? count)
    if let room { self.room = room - taken }
    for index in 0..<taken {
      let frame = frames[index]
      var bytes: [UInt8] = []
      if frame.flags & LND_FRAME_SLICES != 0 {
        frame.data.withMemoryRebound(to: lnd_slice.self, capacity: Int(frame.slices)) { list in
          for slice in UnsafeBufferPointer(start: list, count: Int(frame.slices)) {
            bytes += UnsafeBufferPointer(start: slice.data, count: Int(slice.length))
          }
        }
      } else {
        bytes += UnsafeBufferPointer(start: frame.data, count: Int(frame.length))
      }
      precondition(bytes.count == Int(frame.length), "slices do not add up")
      if frame.flags & LND_FRAME_NEEDS_CSUM != 0, frame.gso_type == UInt16(LND_GSO_NONE) {
        let start = Int(frame.csum_start)
        let sum = Array(bytes[start...]).withByteView { view in
          var sum = Checksum()
          sum.add(view)
          return sum.udpValue
        }
        bytes[start + Int(frame.csum_offset)] = UInt8(sum >> 8)
        bytes[start + Int(frame.csum_offset) + 1] = UInt8(sum & 0xff)
      }
      sent[port, default: []].append(bytes)
    }
    return UInt32(taken)
  }
}
