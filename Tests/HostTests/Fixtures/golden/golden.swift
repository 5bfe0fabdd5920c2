// SPDX-License-Identifier: Apache-2.0
//
// golden.swift - what golden.c is, with the Swift overlay as it was with ABI 1.0 (1.0/overlay.tar.xz). Swift's own library
// has no stable ABI on Linux, so there is no old binary to keep: the old overlay is built against the old headers, and the
// host of today drives it (GoldenTests.swift).

import LimaNetdSDK
import PluginAPI

final class Golden: NetworkPlugin, GuestsExtension, LeaseExtension, ForwardExtension {
  private static let later: UInt64 = 1
  private static let started: UInt64 = 2
  static let isSelective = true

  private var tunnel: lnd_port = 0
  private var (startOp, question): (lnd_op, lnd_op) = (0, 0)
  private var counts: [String: Int] = [:]

  required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    guard try config.options.string("word")?.contains("!") != true else {
      throw .invalid("/word", "has a !")
    }
    try super.init(host: host, config: config)
  }

  private func count(_ name: String, _ more: Int = 1) { counts[name, default: 0] += more }
  private func must(_ holds: Bool) { if !holds { count("failures") } }

  override func start(_ op: lnd_op) throws(PluginFailure) {
    startOp = op
    host.wake()
    host.log(.info, "golden starts")
    _ = host.timer(at: host.now + 1_000_000, user: Self.later)
    host.report(.degraded, "as it should be")
    // No descriptor without a C library: that part is golden.c's.
    count("ready")
  }

  override func onWake() { count("wakes") }

  override func onTimer(_ timer: lnd_handle, user: UInt64) {
    count("fired")
    switch user {
    case Self.later:
      do throws(PluginFailure) {
        try HostNames(host)?.publish("golden.internal", "10.97.0.1")
        try HostGuard(host)?.bind("10.97.0.1", to: (0x5a, 0x94, 0xef, 0, 0, 9), own: true)
      } catch {
        must(false)
      }
      HostGuard(host)?.serve(LND_GUARD_DHCP | LND_GUARD_ROUTER)
      tunnel =
        HostUplinks(host)?.add(
          transport: LND_UPLINK_PLUGIN, fd: -1, mtu: 1400, name: "golden tunnel") ?? 0
      must(tunnel != 0)
      _ = host.timer(at: host.now + 1_000_000, user: Self.started)
      host.complete(startOp)
    case Self.started:
      var message: [UInt8] = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
      message += [6] + Array("golden".utf8) + [8] + Array("internal".utf8) + [0, 0, 1, 0, 1]
      question = message.withUnsafeBytes {
        HostDNS(host)?.query($0, transport: LND_DNS_UDP) ?? 0
      }
    default: must(false)
    }
  }

  override func onOpDone(_ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer) {
    if op == question, status == LND_OK, bytes.suffix(4).elementsEqual([10, 97, 0, 1]) {
      count("answers")
    }
  }

  override func portUp(_ info: PortInfo) throws(PluginFailure) { count("up") }
  override func portDown(_ port: lnd_port) { count("down") }
  override func portChanged(_ info: PortInfo) { count("changed") }
  override func reconfigure(_ config: NetworkConfig) throws(PluginFailure) { count("reconfigured") }

  override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ number: Int) {
    guard port != tunnel else { return count("tunnelled", number) }
    count("rx", number)
    for frame in UnsafeBufferPointer(start: frames, count: number) {
      let bytes = Array(UnsafeBufferPointer(start: frame.data, count: Int(frame.length)))
      let swapped = bytes[6..<12] + bytes[..<6] + bytes[12...]
      swapped.withUnsafeBufferPointer {
        var out = lnd_frame()
        out.data = $0.baseAddress
        out.length = UInt32($0.count)
        _ = host.send(port, &out, 1)
      }
    }
  }

  func guestUp(_ info: PortInfo) {}
  func guestDown(_ port: lnd_port) {}
  func guestChanged(_ info: PortInfo) { count("changed") }
  func station(_ port: lnd_port, _ mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) {
    count("stations")
  }

  func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    ["address": "10.97.0.2", "prefixLength": 24]
  }
  func release(_ request: LeaseRequest) { count("released") }
  func listLeases() -> JSONValue { [] }

  func expose(_ request: ForwardRequest) throws(PluginFailure) {
    count("exposed")
    throw PluginFailure(LND_ERR_EXISTS, "taken")
  }
  func unexpose(_ request: ForwardRequest) throws(PluginFailure) {}
  func listForwards() -> JSONValue { [] }

  override func status(_ sink: lnd_sink) {
    var members = JSONObject()
    for name in counts.keys.sorted() { members[name] = .integer(Int64(counts[name] ?? 0)) }
    for name in ["failures", "released"] where members[name] == nil { members[name] = 0 }
    host.write(sink, JSONValue.object(members).text)
  }
}

private let module = Module(
  id: "io.lima-vm.test.golden", version: "1.0.0", license: "Apache-2.0",
  plugins: [
    .network(
      Golden.self, name: "golden", summary: "An old plugin", modes: ["golden"],
      schema: #"{"type":"object","properties":{"word":{"type":"string"},"mtu":{"type":"integer"}}}"#
    )
  ])

// The name is the contract's.
// swift-format-ignore: AlwaysUseLowerCamelCase
@c @implementation
public func lima_netd_module_v1(
  _ host: UnsafePointer<lnd_host_info>?
) -> UnsafePointer<lnd_module>? {
  module.pointer
}
