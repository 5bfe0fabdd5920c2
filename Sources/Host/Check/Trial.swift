// SPDX-License-Identifier: Apache-2.0
//
// Trial: one instance of the plugin from create to destroy, and the loop that drives it.

import LibC
import HostProtocol
import Platform
import PluginAPI

final class Trial {
  /// Variations of the tables that the plugin is given.
  struct Variation {
    /// Reserved members are not 0.
    var isPoisoned = false
    /// Number of bytes appended, as by a later version.
    var extra = 0
    /// The size of ABI 1.0, ending at unmapped memory; other variations are followed by zeros.
    var isSmallest = false
  }

  let host = CheckHost()
  let subject: CheckSubject
  let variation: Variation
  private(set) var port: lnd_port = 0
  private var instance: UnsafeMutableRawPointer?
  /// Memory that the plugin may read as long as the instance exists.
  private var kept: [GuardedMemory] = []
  /// Memory of the last calls, which the plugin has no right to any more. It stays mapped or becomes inaccessible, but is
  /// not reused, so that only the tests of borrowed memory detect an access.
  private var lent: [GuardedMemory] = []

  init(_ subject: CheckSubject, _ variation: Variation = Variation()) {
    self.subject = subject
    self.variation = variation
  }

  private var ops: lnd_instance_ops { subject.descriptor.instance }
  private var network: lnd_network_ops? {
    if case .network(let ops) = subject.descriptor.operations { ops } else { nil }
  }
  private var dns: lnd_dns_ops? {
    if case .dns(let ops) = subject.descriptor.operations { ops } else { nil }
  }

  // MARK: Tables

  /// A copy of a table with the variation applied. Its first member is its size.
  /// - Parameter minimum: its size in ABI 1.0.
  private func given<Table: BitwiseCopyable>(_ table: Table, minimum: Int) throws(Judgement)
    -> UnsafeMutableRawPointer
  {
    let whole = MemoryLayout<Table>.size
    let count = variation.isSmallest ? minimum : whole + variation.extra
    let tail = variation.isSmallest ? 0 : Int(LND_TABLE_TAIL)
    guard let memory = GuardedMemory(count: count + tail), let base = memory.bytes.baseAddress
    else { throw .skipped("no memory to be had") }
    memset(base, 0xa5, count)
    memset(base + count, 0, tail)
    withUnsafeBytes(of: table) { memory.bytes.copyBytes(from: $0.prefix(count)) }
    base.storeBytes(of: UInt32(count), as: UInt32.self)
    kept.append(memory)
    return base
  }

  private func text(_ text: String) throws(Judgement) -> UnsafePointer<CChar> {
    guard let memory = GuardedMemory(Array(text.utf8) + [0]), let base = memory.bytes.baseAddress
    else { throw .skipped("no memory to be had") }
    memory.makeReadOnly()
    kept.append(memory)
    return UnsafePointer(base.assumingMemoryBound(to: CChar.self))
  }

  private var poison: UInt32 { variation.isPoisoned ? 0xdead_beef : 0 }

  private func givenHost() throws(Judgement) -> UnsafePointer<lnd_host> {
    let table = try given(host.table.pointee, minimum: MemoryLayout<lnd_host>.size)
    return UnsafePointer(table.assumingMemoryBound(to: lnd_host.self))
  }

  private func config() throws(Judgement) -> UnsafePointer<lnd_instance_config> {
    var config = lnd_instance_config()
    // Flags that a plugin may ignore.
    config.flags = poison & ~mustUnderstand
    let more = UInt64(poison)
    config.reserved = (more, more, more, more)
    config.network = try text("check")
    config.mode = try text(subject.isNetwork ? subject.mode : "")
    config.instance = try text(subject.descriptor.name)
    config.options = try text(subject.options)
    config.options_length = UInt64(subject.options.utf8.count)
    config.state_directory = try text("")
    let table = try given(config, minimum: MemoryLayout<lnd_instance_config>.size)
    return UnsafePointer(table.assumingMemoryBound(to: lnd_instance_config.self))
  }

  // MARK: Life

  /// False if the plugin refuses; `host.failure` has the reason.
  func makesInstance() throws(Judgement) -> Bool {
    CheckMain.stage("create")
    let plugin = subject.descriptor.original
    instance = ops.create?(plugin, try givenHost(), try config())
    return instance != nil
  }

  func create() throws(Judgement) {
    guard try makesInstance() else {
      throw .failed("create returned NULL: \(host.failure ?? "without a reason (host->fail)")")
    }
  }

  /// Nil if the plugin has no `validate`.
  func validate() throws(Judgement) -> lnd_status? {
    CheckMain.stage("validate")
    let plugin = subject.descriptor.original
    guard let validate = ops.validate else { return nil }
    return validate(plugin, try givenHost(), try config())
  }

  /// Calls `start` and waits for its end as long as a host does.
  func starts() -> lnd_status {
    CheckMain.stage("start")
    host.mayWatch = true
    let op = host.nextID()
    host.pending.insert(op)
    let status = ops.start?(instance, op) ?? LND_OK
    guard status == LND_OK else {
      host.pending.remove(op)
      return status
    }
    turn(milliseconds: Int(LND_START_MS)) { host.completed[op] != nil }
    host.pending.remove(op)
    guard let completion = host.completed.removeValue(forKey: op) else {
      host.failure = "its op was not completed within \(LND_START_MS / 1000) s"
      return LND_ERR_TIMEOUT
    }
    if completion.status != LND_OK, host.failure == nil, !completion.bytes.isEmpty {
      host.failure = String(decoding: completion.bytes, as: UTF8.self)
    }
    return completion.status
  }

  func start() throws(Judgement) {
    let status = starts()
    guard status == LND_OK else {
      throw .failed("start returned \(status): \(host.failure ?? "without a reason (host->fail)")")
    }
  }

  /// Creates and starts the instance, and brings up a port if it is a network.
  func begin() throws(Judgement) {
    try create()
    try start()
    try portUp()
  }

  /// True if the operation was completed in time.
  @discardableResult
  func stop(milliseconds: Int = 300) -> Bool {
    CheckMain.stage("stop")
    let op = host.nextID()
    host.pending.insert(op)
    ops.stop?(instance, op)
    turn(milliseconds: milliseconds) { host.completed[op] != nil }
    host.pending.remove(op)
    return host.completed[op] != nil
  }

  func destroy() {
    CheckMain.stage("destroy")
    ops.destroy?(instance)
    host.isDestroyed = true
    instance = nil
    host.sent = []
    host.completed = [:]
    kept = []
    lent = []
  }

  /// Takes the port down, stops and destroys.
  func end() {
    portDown(port)
    stop()
    destroy()
  }

  // MARK: Ports and frames

  func portUp() throws(Judgement) {
    guard let network else { return }
    CheckMain.stage("port_up")
    port = host.nextID()
    host.ports.insert(port)
    var info = lnd_port_info()
    info.kind = subject.descriptor.isIsolated ? LND_PORT_GUEST : LND_PORT_SWITCH
    info.port = port
    info.mtu = 1500
    info.mac = subject.descriptor.isIsolated ? (0x52, 0x55, 0x55, 1, 2, 3) : (0, 0, 0, 0, 0, 0)
    info.queues = 1
    info.flags = poison & ~mustUnderstand
    info.reserved = variation.isPoisoned ? (0xa5, 0xa5) : (0, 0)
    info.name = try text("guest")
    let minimum = MemoryLayout<lnd_port_info>.size
    let table = try given(info, minimum: minimum).assumingMemoryBound(to: lnd_port_info.self)
    let status = network.port_up(instance, table)
    guard status == LND_OK else {
      throw .failed("port_up returned \(status): \(host.failure ?? "without a reason")")
    }
  }

  func portDown(_ port: lnd_port) {
    guard let network, port != 0 else { return }
    CheckMain.stage("port_down")
    host.ports.remove(port)
    network.port_down(instance, port)
    if port == self.port { self.port = 0 }
  }

  /// Passes a batch in memory of its own, which is inaccessible afterwards, or read-only, if requested.
  func receive(
    _ frames: [[UInt8]], flags: UInt32 = 0, readOnly: Bool = false, takeAway: Bool = false
  ) throws(Judgement) {
    guard let network, !frames.isEmpty else { return }
    CheckMain.stage("rx")
    var memory: [GuardedMemory] = []
    var table: [lnd_frame] = []
    for bytes in frames {
      guard let copy = GuardedMemory(bytes) else { throw .skipped("no memory to be had") }
      var frame = lnd_frame()
      frame.data = UnsafePointer(copy.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
      frame.length = UInt32(bytes.count)
      frame.flags = flags
      frame.reserved = variation.isPoisoned ? 0xbeef : 0
      frame.reserved1 = UInt64(poison)
      table.append(frame)
      if readOnly { copy.makeReadOnly() }
      memory.append(copy)
    }
    guard let list = GuardedMemory(count: table.count * MemoryLayout<lnd_frame>.stride) else {
      throw .skipped("no memory to be had")
    }
    table.withUnsafeBytes { list.bytes.copyBytes(from: $0) }
    if readOnly { list.makeReadOnly() }
    host.sendCalls = 0
    network.rx(
      instance, port, list.bytes.baseAddress?.assumingMemoryBound(to: lnd_frame.self),
      UInt32(table.count))
    keepLent(memory + [list])
    guard takeAway else { return }
    CheckMain.stage("after rx")
    for copy in memory { copy.takeAway() }
    list.takeAway()
    turn(milliseconds: 20)
    txReady()
    turn(milliseconds: 20)
  }

  private func keepLent(_ memory: [GuardedMemory]) {
    if lent.count > 512 { lent.removeFirst(lent.count - 64) }
    lent += memory
  }

  func txReady() {
    CheckMain.stage("tx_ready")
    network?.tx_ready?(instance, port)
  }

  func status() -> [UInt8] {
    CheckMain.stage("status")
    host.written = []
    let sink = host.nextID()
    ops.status?(instance, sink)
    return host.written
  }

  var hasStatus: Bool { ops.status != nil }

  // MARK: Questions

  /// Passes a question, in memory that is inaccessible afterwards if requested.
  func ask(
    _ message: [UInt8], transport: UInt32 = LND_DNS_UDP, takeAway: Bool = false
  ) throws(Judgement) -> lnd_op {
    guard let dns else { return 0 }
    CheckMain.stage("resolve")
    guard let copy = GuardedMemory(message) else { throw .skipped("no memory to be had") }
    copy.makeReadOnly()
    var query = lnd_dns_query()
    query.transport = transport
    query.message = UnsafePointer(copy.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    query.length = UInt32(message.count)
    query.flags = poison & ~mustUnderstand
    query.reserved = variation.isPoisoned ? (0xa5, 0xa5) : (0, 0)
    query.name = try text("")
    query.deadline_ns = MonotonicClock.now() &+ 5_000_000_000
    let table = try given(query, minimum: ABI10.dnsQuery)
    let op = host.nextID()
    host.pending.insert(op)
    dns.resolve(instance, op, table.assumingMemoryBound(to: lnd_dns_query.self))
    if takeAway { copy.takeAway() }
    keepLent([kept.removeLast(), kept.removeLast(), copy])
    return op
  }

  func cancel(_ op: lnd_op) {
    CheckMain.stage("cancel")
    dns?.cancel?(instance, op)
  }

  func event(_ event: UInt32) {
    CheckMain.stage("on_event")
    ops.on_event?(instance, event)
  }

  // MARK: The loop

  /// Runs loop iterations until `isDone`, for at most `milliseconds`.
  func turn(milliseconds: Int, until isDone: () -> Bool = { false }) {
    let end = MonotonicClock.now() &+ UInt64(milliseconds) &* 1_000_000
    while !isDone() {
      let now = MonotonicClock.now()
      if now >= end { return }
      host.lookAtWatches()
      deliverAnswers()
      announceUplinks()
      if host.takeWakes() {
        CheckMain.stage("on_wake")
        ops.on_wake?(instance)
      }
      fireTimers(now)
      if isDone() { return }
      // Short, since a wake does not interrupt the poll.
      deliverEvents(milliseconds: min(2, Int((end &- now) / 1_000_000)))
    }
  }

  /// Called after the network's own port is up.
  private func announceUplinks() {
    guard port != 0, let network, !host.added.isEmpty else { return }
    let added = host.added
    host.added = []
    for uplink in added where host.ports.contains(uplink) {
      CheckMain.stage("port_up of an uplink")
      var info = lnd_port_info()
      info.size = UInt32(MemoryLayout<lnd_port_info>.size)
      info.kind = LND_PORT_UPLINK
      info.port = uplink
      info.mtu = 1500
      info.queues = 1
      "uplink".withCString { name in
        info.name = name
        _ = network.port_up(instance, &info)
      }
    }
  }

  private func deliverAnswers() {
    let asked = host.asked
    host.asked = []
    for op in asked {
      CheckMain.stage("on_op_done")
      ops.on_op_done?(instance, op, LND_ERR_TIMEOUT, nil, 0)
    }
  }

  private func fireTimers(_ now: UInt64) {
    let due = host.timers.filter { $0.value.deadline <= now }.sorted {
      $0.value.deadline < $1.value.deadline
    }
    for (handle, timer) in due where host.timers.removeValue(forKey: handle) != nil {
      CheckMain.stage("on_timer")
      ops.on_timer?(instance, handle, timer.user)
    }
  }

  private func deliverEvents(milliseconds: Int) {
    let watches = Array(host.watches.values)
    var fds = watches.map { watch in
      let wanted =
        (watch.events & LND_FD_READ != 0 ? Int32(POLLIN) : 0)
        | (watch.events & LND_FD_WRITE != 0 ? Int32(POLLOUT) : 0)
      return pollfd(fd: watch.fd, events: Int16(truncatingIfNeeded: wanted), revents: 0)
    }
    guard poll(&fds, nfds_t(fds.count), Int32(max(0, milliseconds))) > 0 else { return }
    var events: [lnd_fd_event] = []
    for (watch, fd) in zip(watches, fds) where fd.revents != 0 && events.count < 256 {
      let got = Int32(fd.revents)
      var what: UInt32 = 0
      if got & Int32(POLLIN) != 0 { what |= LND_FD_READ }
      if got & Int32(POLLOUT) != 0 { what |= LND_FD_WRITE }
      if got & Int32(POLLHUP) != 0 { what |= LND_FD_HANGUP | LND_FD_ERROR }
      if got & Int32(POLLERR | POLLNVAL) != 0 { what |= LND_FD_ERROR }
      events.append(lnd_fd_event(user: watch.user, events: what, reserved: 0))
    }
    guard !events.isEmpty else { return }
    CheckMain.stage("on_fds")
    ops.on_fds?(instance, events, UInt32(events.count))
  }

  /// Events without a cause, which a host may deliver.
  func spuriousEvents() {
    let event = lnd_fd_event(user: 0xdead_beef, events: LND_FD_READ, reserved: 0)
    CheckMain.stage("on_wake without a wake")
    ops.on_wake?(instance)
    CheckMain.stage("tx_ready of an unknown port")
    network?.tx_ready?(instance, 0xdead_beef)
    CheckMain.stage("on_fds of a watch that has ended")
    withUnsafePointer(to: event) { ops.on_fds?(instance, $0, 1) }
    CheckMain.stage("on_timer of a timer that has ended")
    ops.on_timer?(instance, host.nextID(), 0xdead_beef)
    CheckMain.stage("on_op_done of an op that has ended")
    ops.on_op_done?(instance, host.nextID(), LND_ERR_CANCELLED, nil, 0)
  }
}
