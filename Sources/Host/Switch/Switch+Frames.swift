// SPDX-License-Identifier: Apache-2.0
//
// Forwarding of frames through the switch. Thread: loop only; no allocation and no retain per frame.

import PluginAPI
import Wire

extension Switch {
  /// The destination of a frame: the index of a port, or one of these.
  private enum Target {
    static let plugin = MACTable.plugin
    /// A station that is not known or gone.
    static let absent = MACTable.gone
    static let flood: Int32 = -3
    static let drop: Int32 = -4
    static let none: Int32 = -5
    /// The group of loop probes: this switch's, or another's, which is flooded.
    static let probe: Int32 = -6
  }

  /// The look-ups of the batch's previous frame, reused because most frames have the same addresses.
  private struct Last {
    var source = UInt64.max  // no address is
    var destination = UInt64.max
    var target = Target.none
  }

  /// Frames received from a port.
  func receive(_ handle: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    guard let index = ports.index(of: handle) else { return }
    let from = Int32(truncatingIfNeeded: index)
    let now = second()
    var last = Last()
    var start = 0
    var target = Target.none
    for i in 0..<count {
      guard let data = frames[i].data else { continue }
      var next = classify(data, from, now, &last)
      if addressGuard.isActive, next != Target.drop {
        next = admitted(frames + i, data, index, next, now)
      }
      if next != target {
        emit(frames + start, i &- start, target, from)
        start = i
        target = next
      }
    }
    emit(frames + start, count &- start, target, from)
  }

  /// `lnd_host.send`, for `Switch.handle` and for uplinks.
  package func send(
    _ handle: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32
  ) -> UInt32 {
    if handle == Switch.handle { return UInt32(sendFromPlugin(frames, Int(count))) }
    guard let index = ports.index(of: handle), let port = ports[index] else {
      counters.stale &+= UInt64(count)
      return count
    }
    if isPlugins[index] {
      bringIn(unsafeDowncast(port.takeUnretainedValue(), to: PluginPort.self), frames, Int(count))
      return count
    }
    return port._withUnsafeGuaranteedRef { port in
      let before = port.counters.txMalformed
      let taken = port.send(frames, Int(count))
      if port.counters.txMalformed != before { tellMalformed(frames, taken) }
      return UInt32(truncatingIfNeeded: taken)
    }
  }

  /// Reports the first of a plugin's frames that violates a rule.
  private func tellMalformed(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    for i in 0..<count where (frames + i).fault != nil { return onMalformed?(frames + i) ?? () }
    // The GSO fields contradict the headers.
    for i in 0..<count where frames[i].gso_type != 0 { return onMalformed?(frames + i) ?? () }
  }

  /// `lnd_host_uplink.relay`: frames of the plugin whose sender cannot wait.
  package func relay(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    let wasCalling = pluginIsCalling
    pluginIsCalling = true
    defer { pluginIsCalling = wasCalling }
    let now = second()
    var last = Last()
    var start = 0
    var target = Target.none
    for i in 0..<count {
      let next = classifyChecked(frames + i, now, &last)
      if next != target {
        emitRelayed(frames + start, i &- start, target)
        start = i
        target = next
      }
    }
    emitRelayed(frames + start, count &- start, target)
  }

  private func emitRelayed(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int, _ target: Int32
  ) {
    if target >= 0, count > 0 {
      forward(frames, count, to: Int(target))
    } else {
      _ = emitFromPlugin(frames, count, target)
    }
  }

  private func sendFromPlugin(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    let wasCalling = pluginIsCalling
    pluginIsCalling = true
    defer { pluginIsCalling = wasCalling }
    let now = second()
    var last = Last()
    var start = 0
    var target = Target.none
    for i in 0..<count {
      let next = classifyChecked(frames + i, now, &last)
      if next != target {
        let taken = emitFromPlugin(frames + start, i &- start, target)
        if taken < i &- start { return start &+ taken }
        start = i
        target = next
      }
    }
    return start &+ emitFromPlugin(frames + start, count &- start, target)
  }

  /// A plugin's frame is unchecked, and may be in slices.
  private func classifyChecked(
    _ frame: UnsafePointer<lnd_frame>, _ now: UInt32, _ last: inout Last
  ) -> Int32 {
    guard frame.shape != .malformed, let data = frame.pointee.data else {
      counters.malformed &+= 1
      onMalformed?(frame)
      return Target.drop
    }
    if frame.pointee.flags & LND_FRAME_SLICES == 0 {
      return classify(data, MACTable.plugin, now, &last)
    }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: EthernetHeader.encodedLength) {
      head in
      guard let base = head.baseAddress else { return Target.drop }
      var reader = PieceReader(frame)
      reader.copy(EthernetHeader.encodedLength, into: base)
      return classify(UnsafePointer(base), MACTable.plugin, now, &last)
    }
  }

  /// Learns the source and looks up the destination.
  @inline(__always)
  private func classify(
    _ frame: UnsafePointer<UInt8>, _ from: Int32, _ now: UInt32, _ last: inout Last
  ) -> Int32 {
    let addresses = EthernetPacket.addresses(
      ByteView(frame, count: EthernetHeader.encodedLength))
    let destination = addresses.destination.rawValue
    let source = addresses.source.rawValue
    if source != last.source {
      guard learn(source, from, now) else {
        last.source = .max
        return Target.drop
      }
      last.source = source
    } else if destination == last.destination {
      return last.target
    }
    last.destination = destination
    last.target = lookUp(destination, from, now)
    return last.target
  }

  private func learn(_ source: UInt64, _ from: Int32, _ now: UInt32) -> Bool {
    // A group address or zero is no valid source.
    guard MACAddress(source).isUnicast else {
      counters.filtered &+= 1
      note(\.filtered, of: Int(from))
      return false
    }
    switch addresses.learn(source, on: from, now: now) {
    case .known: break
    case .new: return isNew(source, from, moved: false)
    case .moved:
      counters.moved &+= 1
      return isNew(source, from, moved: true)
    case .full:
      counters.notLearned &+= 1
      guard security != nil, from >= 0 else { break }
      // Its port could not be determined.
      note(\.spoofed, of: Int(from))
      return false
    // The plugin may send frames back, or with another station's source address.
    case .refused: return from == MACTable.plugin || refuse(source, from)
    case .contested(let holder):
      if !ask(source, behind: holder),
        addresses.concede(source, to: from, now: now) == .moved
      {
        counters.moved &+= 1
        return isNew(source, from, moved: true)
      }
      return from == MACTable.plugin || refuse(source, from)
    }
    return true
  }

  /// Counts a dropped frame at its port. Not on the path of forwarded frames.
  private func note(_ reason: WritableKeyPath<PortCounters, UInt64>, of index: Int) {
    guard index >= 0, let port = ports[index] else { return }
    port._withUnsafeGuaranteedRef { $0.counters[keyPath: reason] &+= 1 }
  }

  /// Counts and reports a frame from another station's address. Returns false.
  private func refuse(_ source: UInt64, _ from: Int32) -> Bool {
    counters.spoofed &+= 1
    note(\.spoofed, of: Int(from))
    if let port = ports[Int(from)] {
      onNotice?(.spoofed(port._withUnsafeGuaranteedRef { $0.handle }, mac: source))
    }
    return false
  }

  /// Reports a source new behind this port. Returns true.
  private func isNew(_ source: UInt64, _ from: Int32, moved: Bool) -> Bool {
    if addressGuard.isBound(source) { addresses.setBound(source, true) }
    guard from != MACTable.plugin, let port = ports[Int(from)] else { return true }
    let handle = port._withUnsafeGuaranteedRef { $0.handle }
    onNotice?(.station(handle, mac: source, moved: moved))
    return true
  }

  /// The destination of a guest's frame, or `drop` when the guard rejects it.
  @inline(__always)
  private func admitted(
    _ frame: UnsafePointer<lnd_frame>, _ data: UnsafePointer<UInt8>, _ index: Int, _ target: Int32,
    _ now: UInt32
  ) -> Int32 {
    let verdict = addressGuard.inspect(frame, data, vouched + index, now)
    if case .pass = verdict { return target }
    if case .change(let address, let owner, let mac) = verdict,
      moves(address, of: owner, to: mac, behind: Int32(truncatingIfNeeded: index))
    {
      return target
    }
    // The DHCP server answers a client whose address is another's now with a NAK (RFC 2131 §4.3.2).
    if case .client = verdict, target == Target.flood || target == Target.plugin {
      return Target.plugin
    }
    return pardons(verdict, index) ? target : Target.drop
  }

  /// Counts and reports the guard's verdict; true when the frame may pass nevertheless.
  private func pardons(_ verdict: AddressGuard.Verdict, _ index: Int) -> Bool {
    let handle = ports[index]?._withUnsafeGuaranteedRef { $0.handle } ?? 0
    switch verdict {
    case .pass: return true
    case .arp(let address), .change(let address, _, _):
      counters.arpSpoofed &+= 1
      note(\.arpSpoofed, of: index)
      onNotice?(.arpSpoofed(handle, address: address))
    case .source(let address, let owner), .client(let address, let owner):
      // A guest may forward for stations behind its link.
      if addresses.port(of: owner, now: second()) == Int32(truncatingIfNeeded: index) {
        return true
      }
      counters.ipSpoofed &+= 1
      note(\.ipSpoofed, of: index)
      onNotice?(.ipSpoofed(handle, address: address))
    case .outside(let address):
      counters.ipOutside &+= 1
      note(\.ipOutside, of: index)
      onNotice?(.ipOutside(handle, address: address))
    case .neighbor(let address, let owner):
      if addresses.port(of: owner, now: second()) == Int32(truncatingIfNeeded: index) {
        return true
      }
      tellNeighbor(handle, address)
    case .probe(let address, let mac):
      if mayProbe(address, mac, index) { return true }
      tellNeighbor(handle, address)
    case .advertised(let address, let mac):
      if mayAdvertise(address, mac, index) { return true }
      tellNeighbor(handle, address)
    case .dhcp:
      counters.dhcpServers &+= 1
      note(\.dhcpServers, of: index)
      onNotice?(.dhcpServer(handle))
    case .router:
      counters.ipv6Routers &+= 1
      note(\.ipv6Routers, of: index)
      onNotice?(.ipv6Router(handle))
    case .overlong:
      counters.filtered &+= 1
      note(\.filtered, of: index)
    }
    return false
  }

  private func tellNeighbor(_ handle: lnd_port, _ address: IPAddress) {
    counters.ndpSpoofed &+= 1
    onNotice?(.ndpSpoofed(handle, address: address))
  }

  private func lookUp(_ destination: UInt64, _ from: Int32, _ now: UInt32) -> Int32 {
    if MACAddress(destination).isMulticast {
      if MACAddress(destination).isBridgeGroup { return Target.drop }
      return destination == LoopProbe.address && from != MACTable.plugin
        ? Target.probe : Target.flood
    }
    if from == MACTable.plugin { return addresses.lastPort(of: destination) ?? Target.absent }
    return addresses.port(of: destination, now: now) ?? Target.flood
  }

  private func emit(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int, _ target: Int32, _ from: Int32
  ) {
    guard count > 0 else { return }
    switch target {
    case Target.plugin: toPlugin(frames, count)
    case Target.flood:
      counters.flooded &+= UInt64(count)
      toPlugin(frames, count)
      flood(frames, from < 0 ? count : admitsFloods(count, of: Int(from)), except: Int(from))
    case Target.absent:
      counters.absent &+= UInt64(count)
      toPlugin(frames, count)
      toUplinks(frames, count, except: Int(from))
    case Target.drop, Target.none: break
    case Target.probe:
      for i in 0..<count where !isProbeBack(frames + i, Int(from)) {
        emit(frames + i, 1, Target.flood, from)
      }
    case from: counters.hairpin &+= UInt64(count)
    default: forward(frames, count, to: Int(target))
    }
  }

  private func emitFromPlugin(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int, _ target: Int32
  ) -> Int {
    guard count > 0 else { return 0 }
    switch target {
    case Target.plugin: counters.hairpin &+= UInt64(count)
    case Target.flood:
      counters.flooded &+= UInt64(count)
      flood(frames, count, except: -1)
    case Target.absent:
      counters.absent &+= UInt64(count)
      toUplinks(frames, count, except: -1)
    case Target.drop, Target.none: break
    default:
      return ports[Int(target)]?._withUnsafeGuaranteedRef {
        send(frames, count, to: $0, waits + Int(target))
      } ?? count
    }
    return count
  }

  private func send(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int, to port: Port,
    _ wait: UnsafeMutablePointer<Wait>
  ) -> Int {
    let taken = port.send(frames, count)
    if taken == count {
      wait.pointee.since = 0
      return count
    }
    if waitsPatiently { return taken }
    let now = clock()
    if wait.pointee.since == 0 || taken > 0 || port.counters.txFrames != wait.pointee.frames {
      wait.pointee = Wait(since: now, frames: port.counters.txFrames)
    }
    if now &- wait.pointee.since < Switch.stall {
      port.announceAnyway(after: Switch.stall)
      return taken
    }
    counters.stalled &+= UInt64(count &- taken)
    return count
  }

  func toPlugin(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    // The plugin's own frame, from another of its ports.
    if pluginIsCalling { return }
    plugin.frames(plugin.context, Switch.handle, frames, UInt32(truncatingIfNeeded: count))
  }

  private func flood(_ frames: UnsafePointer<lnd_frame>, _ count: Int, except: Int) {
    for i in 0..<ports.bound where i != except && !isDirect[i] { forward(frames, count, to: i) }
  }

  private func toUplinks(_ frames: UnsafePointer<lnd_frame>, _ count: Int, except: Int) {
    for i in 0..<uplinkIndices.count where uplinkIndices[i] != except {
      forward(frames, count, to: uplinkIndices[i])
    }
  }

  @inline(__always)
  private func forward(_ frames: UnsafePointer<lnd_frame>, _ count: Int, to index: Int) {
    if ports[index]?._withUnsafeGuaranteedRef({ $0.forward(frames, count) }) == true {
      holds(index)
    }
  }
}
