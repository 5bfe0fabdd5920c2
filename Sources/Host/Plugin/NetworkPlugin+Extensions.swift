// SPDX-License-Identifier: Apache-2.0
//
// Calls of a network plugin's extensions forward/1, connect/1 and lease/1.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI
import Wire

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

  /// The reply is sent when the plugin has completed the operation.
  /// - Parameter listener: the listening socket of a Unix forward. Stays owned by the caller.
  func expose(_ spec: ForwardSpec, listener: Int32?, request: UInt64) throws(HostError) {
    guard let expose = try forwards().expose else {
      throw HostError(.unsupported, "the plugin offers no forwards", plugin: bridge.name)
    }
    guard let guest = spec.guest, !guest.isEmpty else {
      throw HostError(.invalidConfig, "a forward needs an address in the guest")
    }
    try withForward(spec, guest: guest, listener: listener) { forward in
      let operation = bridge.operations.begin(.request(request))
      bridge.call("forward.expose") { expose(bridge.instance, operation, forward) }
    }
  }

  func unexpose(_ spec: ForwardSpec, request: UInt64) throws(HostError) {
    guard let unexpose = try forwards().unexpose else {
      throw HostError(.unsupported, "the plugin offers no forwards", plugin: bridge.name)
    }
    try withForward(spec, guest: nil) { forward in
      let operation = bridge.operations.begin(.request(request))
      bridge.call("forward.unexpose") { unexpose(bridge.instance, operation, forward) }
    }
  }

  /// The plugin's output, not validated: a JSON array.
  func listForwards() throws(HostError) -> [UInt8] {
    guard let list = try forwards().list else { return Array("[]".utf8) }
    return bridge.collect("forward.list") { list(bridge.instance, $0) }
  }

  /// - Throws: for an invalid address.
  private func withForward(
    _ spec: ForwardSpec, guest: String?, listener: Int32? = nil,
    _ body: (UnsafePointer<lnd_forward>) -> Void
  ) throws(HostError) {
    var forward = lnd_forward()
    forward.size = UInt32(MemoryLayout<lnd_forward>.stride)
    forward.listener = listener ?? -1
    switch spec.protocol {
    case .tcp: forward.protocol = LND_FORWARD_TCP
    case .udp: forward.protocol = LND_FORWARD_UDP
    case .unix: forward.protocol = LND_FORWARD_UNIX
    }
    switch spec.source {
    case .client?: forward.flags = LND_FORWARD_FROM_CLIENT
    case .gateway?: forward.flags = LND_FORWARD_FROM_GATEWAY
    case nil: break
    }
    if let guest {
      guard let endpoint = Endpoint(guest), endpoint.port != 0 else {
        throw HostError(
          .invalidConfig, "\(guest) is not an address and port of a guest, as 192.168.5.15:80")
      }
      forward.guest = lnd_endpoint(endpoint)
    }
    let isPath = spec.protocol == .unix
    if isPath {
      guard spec.host.hasPrefix("/") else {
        throw HostError(
          .invalidConfig, "\(spec.host): the path of a unix socket must be absolute")
      }
      guard !spec.host.utf8.contains(0) else {
        throw HostError(
          .invalidConfig, "\(spec.host): the path of a unix socket has no NUL in it")
      }
    } else {
      let isOnAll = spec.host.hasPrefix("*:")
      guard let endpoint = Endpoint(isOnAll ? "[::]\(spec.host.dropFirst())" : spec.host) else {
        throw HostError(
          .invalidConfig,
          "\(spec.host) is not an address and port, as 127.0.0.1:8080, [::1]:8080 or *:8080")
      }
      forward.host = lnd_endpoint(endpoint)
      if isOnAll { forward.flags |= LND_FORWARD_DUAL_STACK }
    }
    spec.host.withCString { path in
      (spec.guestName ?? "").withCString { guestName in
        forward.path = isPath ? path : nil
        forward.guest_name = guestName
        body(&forward)
      }
    }
  }

  // MARK: limanetd.connect/1

  /// Takes ownership of `fd` in every case. The reply is sent when the guest has answered.
  func connect(_ spec: ConnectSpec, fd: Int32, request: UInt64) throws(HostError) {
    guard let table = plugin.descriptor.getExtension(LND_EXT_CONNECT),
      let connect = try? ABITable.copy(table, into: lnd_plugin_connect(), minimum: ABI10.connect)
        .connect
    else {
      Descriptor.close(fd)
      throw HostError(.unsupported, "the plugin connects to no guest", plugin: bridge.name)
    }
    guard let guest = Endpoint(spec.guest), guest.port != 0 else {
      Descriptor.close(fd)
      throw HostError(
        .invalidConfig, "\(spec.guest) is not an address and port of a guest, as 192.168.5.15:80")
    }
    do throws(SystemError) {
      try Descriptor.setNonBlocking(fd)
    } catch {
      Descriptor.close(fd)
      throw HostError(.system, error.description)
    }
    let operation = bridge.operations.begin(.request(request))
    (spec.guestName ?? "").withCString { name in
      var raw = lnd_connect()
      raw.size = UInt32(MemoryLayout<lnd_connect>.stride)
      raw.guest = lnd_endpoint(guest)
      raw.guest_name = name
      bridge.call("connect") { connect(bridge.instance, operation, fd, &raw) }
    }
  }

  // MARK: limanetd.lease/1

  private func leases() -> lnd_plugin_lease? {
    guard let table = plugin.descriptor.getExtension(LND_EXT_LEASE) else { return nil }
    return try? ABITable.copy(table, into: lnd_plugin_lease(), minimum: ABI10.lease)
  }

  /// The plugin's output, not validated: a JSON array; empty if the plugin leases no addresses.
  func listLeases() -> [UInt8] {
    guard let list = leases()?.list else { return Array("[]".utf8) }
    return bridge.collect("lease.list") { list(bridge.instance, $0) }
  }

  /// A JSON object: the configuration that DHCP would give the guest.
  func reserveLease(_ port: Port) throws(HostError) -> JSONValue {
    guard let reserve = leases()?.reserve else {
      throw HostError(.unsupported, "the plugin gives no addresses", plugin: bridge.name)
    }
    var status = LND_OK
    var bytes: [UInt8] = []
    withLeaseRequest(port) { request in
      bytes = bridge.collect("lease.reserve") { sink in
        status = reserve(bridge.instance, request, sink)
      }
    }
    guard status == LND_OK else { throw bridge.takeFailure(status, "lease.reserve") }
    guard let value = PluginJSON.checked(bytes, bridge) else {
      throw HostError(.internal, "the plugin's answer is no JSON", plugin: bridge.name)
    }
    return value
  }

  /// The guest no longer uses what `reserveLease` returned. No effect if the plugin has no such function.
  func releaseLease(_ port: Port) {
    guard let release = leases()?.release else { return }
    withLeaseRequest(port) { request in
      bridge.call("lease.release") { release(bridge.instance, request) }
    }
  }

  private func withLeaseRequest(_ port: Port, _ body: (UnsafePointer<lnd_lease_request>) -> Void) {
    port.name.withCString { name in
      var request = lnd_lease_request()
      request.size = UInt32(MemoryLayout<lnd_lease_request>.stride)
      request.port = port.handle
      request.name = name
      withUnsafeMutableBytes(of: &request.mac) { $0.copyBytes(from: MACText.bytes(port.mac)) }
      body(&request)
    }
  }

  /// The questioner, with what the host knows of its guest.
  func identified(_ questioner: DNSQuestioner) -> DNSQuestioner {
    var found = questioner
    if found.port == Switch.handle { found.port = 0 }
    if found.port == 0, found.mac != 0 {
      found.port = learningSwitch?.guest(behind: found.mac) ?? 0
    }
    let port = learningSwitch?.port(found.port) ?? binding?.port(found.port)
    guard let port else {
      found.port = 0
      found.name = ""
      return found
    }
    found.name = port.name
    if found.mac == 0 { found.mac = port.mac }
    return found
  }
}
