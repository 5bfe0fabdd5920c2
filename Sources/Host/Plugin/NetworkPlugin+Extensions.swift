// SPDX-License-Identifier: Apache-2.0
//
// The network plugin's side of forward/1, connect/1 and lease/1.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

extension NetworkPlugin {
  // MARK: limanetd.forward/1

  private func forwards() throws(HostError) -> lnd_plugin_forward {
    guard let table = plugin.descriptor.getExtension(LND_EXT_FORWARD),
      let copy = try? ABITable.copy(table, into: lnd_plugin_forward(), minimum: ABI10.forward)
    else {
      throw HostError(.unsupported, "the plugin offers no forwards", plugin: bridge.name)
    }
    return copy
  }

  /// The reply comes when the plugin is done.
  /// - Parameter listener: of a unix forward, which listens already. The caller's.
  func expose(_ spec: ForwardSpec, listener: Int32?, request: UInt64) throws(HostError) {
    guard let expose = try forwards().expose else {
      throw HostError(.unsupported, "the plugin offers no forwards", plugin: bridge.name)
    }
    guard let guest = spec.guest, !guest.isEmpty else {
      throw HostError(.invalidConfig, "a forward needs an address in the guest")
    }
    let operation = bridge.operations.begin(.request(request))
    withForward(spec, guest: guest, listener: listener) { forward in
      bridge.call("forward.expose") { expose(bridge.instance, operation, forward) }
    }
  }

  func unexpose(_ spec: ForwardSpec, request: UInt64) throws(HostError) {
    guard let unexpose = try forwards().unexpose else {
      throw HostError(.unsupported, "the plugin offers no forwards", plugin: bridge.name)
    }
    let operation = bridge.operations.begin(.request(request))
    withForward(spec, guest: nil) { forward in
      bridge.call("forward.unexpose") { unexpose(bridge.instance, operation, forward) }
    }
  }

  /// What the plugin wrote, unchecked: a JSON array.
  func listForwards() throws(HostError) -> [UInt8] {
    guard let list = try forwards().list else { return Array("[]".utf8) }
    return bridge.collect("forward.list") { list(bridge.instance, $0) }
  }

  private func withForward(
    _ spec: ForwardSpec, guest: String?, listener: Int32? = nil,
    _ body: (UnsafePointer<lnd_forward>) -> Void
  ) {
    spec.host.withCString { host in
      (spec.guestName ?? "").withCString { guestName in
        (guest ?? "").withCString { address in
          var forward = lnd_forward()
          forward.size = UInt32(MemoryLayout<lnd_forward>.stride)
          forward.protocol =
            switch spec.protocol {
            case .tcp: LND_FORWARD_TCP
            case .udp: LND_FORWARD_UDP
            case .unix: LND_FORWARD_UNIX
            }
          forward.has_listener = listener == nil ? 0 : 1
          forward.listener = listener ?? -1
          switch spec.source {
          case .client?: forward.protocol |= LND_FORWARD_FROM_CLIENT
          case .gateway?: forward.protocol |= LND_FORWARD_FROM_GATEWAY
          case nil: break
          }
          forward.host = host
          forward.guest = guest == nil ? nil : address
          forward.guest_name = guestName
          body(&forward)
        }
      }
    }
  }

  // MARK: limanetd.connect/1

  /// Takes over `fd`, whatever comes of it. The reply comes when the guest has answered.
  func connect(_ spec: ConnectSpec, fd: Int32, request: UInt64) throws(HostError) {
    guard let table = plugin.descriptor.getExtension(LND_EXT_CONNECT),
      let connect = try? ABITable.copy(table, into: lnd_plugin_connect(), minimum: ABI11.connect)
        .connect
    else {
      Descriptor.close(fd)
      throw HostError(.unsupported, "the plugin connects to no guest", plugin: bridge.name)
    }
    do throws(SystemError) {
      try Descriptor.setNonBlocking(fd)
    } catch {
      Descriptor.close(fd)
      throw HostError(.system, error.description)
    }
    let operation = bridge.operations.begin(.request(request))
    spec.guest.withCString { guest in
      (spec.guestName ?? "").withCString { name in
        var raw = lnd_connect()
        raw.size = UInt32(MemoryLayout<lnd_connect>.stride)
        raw.guest = guest
        raw.guest_name = name
        bridge.call("connect") { connect(bridge.instance, operation, fd, &raw) }
      }
    }
  }

  // MARK: limanetd.lease/1

  private func leases() -> lnd_plugin_lease? {
    guard let table = plugin.descriptor.getExtension(LND_EXT_LEASE) else { return nil }
    return try? ABITable.copy(table, into: lnd_plugin_lease(), minimum: ABI10.lease)
  }

  /// What the plugin wrote, unchecked: a JSON array; empty when the plugin gives no addresses.
  func listLeases() -> [UInt8] {
    guard let list = leases()?.list else { return Array("[]".utf8) }
    return bridge.collect("lease.list") { list(bridge.instance, $0) }
  }

  /// A JSON object: what DHCP would give the guest.
  func reserveLease(_ port: Port) throws(HostError) -> JSONValue {
    guard let reserve = leases()?.reserve else {
      throw HostError(.unsupported, "the plugin gives no addresses", plugin: bridge.name)
    }
    var status = LND_OK
    let bytes: [UInt8] = port.name.withCString { name in
      var request = lnd_lease_request()
      request.size = UInt32(MemoryLayout<lnd_lease_request>.stride)
      request.port = isIsolated || guests != nil ? port.handle : Switch.handle
      request.name = name
      withUnsafeMutableBytes(of: &request.mac) { $0.copyBytes(from: MACText.bytes(port.mac)) }
      return bridge.collect("lease.reserve") { sink in
        status = reserve(bridge.instance, &request, sink)
      }
    }
    guard status == LND_OK else { throw bridge.takeFailure(status, "lease.reserve") }
    guard let value = PluginJSON.checked(bytes, bridge) else {
      throw HostError(.internal, "the plugin's answer is no JSON", plugin: bridge.name)
    }
    return value
  }
}
