// SPDX-License-Identifier: Apache-2.0
//
// What all plugins with a Stack share: its creation, ports of the ABI, and the conversion of requests of the extensions
// forward/1, connect/1 and lease/1 (`list`) to the stack and back.

import LimaNetdSDK
import NetStack
import PluginAPI

extension Stack {
  /// Creates the stack of a plugin's instance, with real sockets and the host's DNS.
  package static func make(
    _ host: HostContext, _ config: StackConfig
  ) throws(PluginFailure) -> Stack {
    var config = config
    config.limitDescriptors()
    guard let table = StackHost(host.table) else {
      throw PluginFailure(LND_ERR_UNSUPPORTED, "this host lacks functions of ABI 1.0")
    }
    let stack = Stack(
      host: table, calls: .system, config: config, seed: UInt64.random(in: .min ... .max))
    stack.dns.resolver = BrokerResolver(host)
    stack.forwards.onConnect = { op, failure in
      guard let failure else { return host.complete(op) }
      host.complete(op, failure: failure.asPluginFailure)
    }
    return stack
  }

  package func portUp(_ info: PortInfo) throws(PluginFailure) {
    guard portUp(LinkInfo(info)) else {
      throw PluginFailure(LND_ERR_LIMIT, "too many guests on this network")
    }
  }

  // MARK: limanetd.forward/1

  package func expose(_ request: ForwardRequest) throws(PluginFailure) {
    let proto = try ForwardedProtocol(abi: request.protocol)
    do throws(ForwardFailure) {
      try forwards.expose(
        try ForwardRule(
          proto: proto, host: request.host, guest: request.guest,
          guestName: request.guestName, showsClients: request.source.map { $0 == .client }),
        listener: request.listener)
    } catch {
      throw error.asPluginFailure
    }
    endOfIteration()
  }

  package func unexpose(_ request: ForwardRequest) throws(PluginFailure) {
    let proto = try ForwardedProtocol(abi: request.protocol)
    do throws(ForwardFailure) {
      let spec = try ForwardRule(
        proto: proto, host: request.host, guest: nil, guestName: request.guestName)
      forwards.unexpose(spec.kind)
    } catch {
      throw error.asPluginFailure
    }
    endOfIteration()
  }

  package var forwardList: JSONValue {
    .array(
      forwards.all.map { forward in
        [
          "protocol": .string(forward.spec.kind.name),
          "host": .string(forward.spec.kind.host),
          "guest": .string(forward.spec.guest.description),
          "guestName": .string(forward.spec.guestName),
          "source": .string(
            forward.spec.showsClients ?? config.forwardsShowClients ? "client" : "gateway"),
          "connections": JSONValue(forward.connections),
        ]
      })
  }

  // MARK: limanetd.connect/1

  package func connect(
    _ op: lnd_op, _ fd: Int32, _ request: ConnectRequest
  ) throws(PluginFailure) {
    do throws(ForwardFailure) {
      try forwards.connect(
        fd: fd, to: request.guest, guestName: request.guestName, ticket: op)
    } catch {
      throw error.asPluginFailure
    }
    endOfIteration()
  }

  // MARK: limanetd.lease/1

  package func leaseLines() -> [LeaseLine] {
    let now = core.elapsed
    return (udp.dhcp?.leases() ?? []).map { lease, name in
      LeaseLine(
        address: lease.address, mac: lease.client.mac, name: name, hostname: lease.hostname,
        state: lease.state.rawValue, expiry: lease.expiry, now: now)
    }
  }
}
