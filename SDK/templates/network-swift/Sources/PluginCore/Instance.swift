// SPDX-License-Identifier: Apache-2.0
//
// One network's instance. README.md shows the order in which these methods are called; the base class documents each of
// them. Two instances may exist in one process, so keep no state outside of them.

import LimaNetdSDK
import PluginAPI

public final class Instance: NetworkPlugin, LeaseExtension {
  public static let schema = """
    {"type":"object","additionalProperties":false,"properties":{
    "gateway":{"type":"string","format":"ipv4","default":"10.99.0.2",
    "description":"The address that answers ping. Guests get another one of its /24"}}}
    """

  private let addresses: Addresses
  private let frames: Frames
  private var received = 0
  private var answered = 0
  private var lost = 0

  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    addresses = try Addresses(config.options)
    frames = Frames(addresses)
    try super.init(host: host, config: config)
  }

  public override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try Addresses(config.options)
  }

  /// Frames are borrowed for the call: they are parsed here, or copied.
  public override func rx(_ port: lnd_port, _ batch: UnsafePointer<lnd_frame>, _ count: Int) {
    received += count
    for frame in UnsafeBufferPointer(start: batch, count: count) {
      let bytes = Array(UnsafeBufferPointer(start: frame.data, count: Int(frame.length)))
      guard let answer = frames.answer(bytes) else { continue }
      let taken = answer.withUnsafeBufferPointer { bytes in
        var reply = lnd_frame()
        reply.data = bytes.baseAddress
        reply.length = UInt32(bytes.count)
        return host.send(port, &reply, 1)
      }
      // 0: the guest's link is full. A network may lose a frame; one that must not be lost waits for txReady.
      if taken == 1 { answered += 1 } else { lost += 1 }
    }
  }

  /// For `lima-netd status`: one JSON object.
  public override func status(_ sink: lnd_sink) {
    host.write(sink, "{\"received\":\(received),\"answered\":\(answered),\"lost\":\(lost)}")
  }

  /// A guest configured without DHCP, by `lima-netd exec`.
  public func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    .object([
      "address": .string(Addresses.text(addresses.guest)), "prefixLength": .integer(24),
      "gateway": .string(Addresses.text(addresses.gateway)), "dns": .array([]),
      "mtu": .integer(1500), "search": .array([]),
    ])
  }

  public func listLeases() -> JSONValue { .array([]) }
}
