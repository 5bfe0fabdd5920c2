// SPDX-License-Identifier: Apache-2.0
//
// lima-NAME.internal for each guest whose link has a name: what Lima calls the instance NAME.
// Guests are alone and all have one IPv4 address, so a name is there while any guest has it; of IPv6 it has the address that the
// guest is known by, which it may have made itself.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

struct GuestNames {
  private struct Known {
    var name: String
    var address6: IPAddress?
  }
  private var names: [lnd_port: Known] = [:]

  /// A name that cannot be a host name is ignored.
  mutating func publish(
    _ guest: String, of port: lnd_port, address: IPAddress, by host: HostNames?
  ) {
    guard let host, let label = HostName.limaLabel(guest) else { return }
    let name = "\(label).internal"
    do throws(PluginFailure) {
      try host.publish(name, address.description)
      names[port] = Known(name: name)
    } catch {}
  }

  /// The guest is known by another IPv6 address, or by none.
  mutating func set(_ address: IPAddress?, of port: lnd_port, by host: HostNames?) {
    guard let known = names[port], known.address6 != address else { return }
    names[port]?.address6 = address
    if let old = known.address6, !isHeld(old, known.name) {
      host?.withdraw(known.name, old.description)
    }
    if let address { try? host?.publish(known.name, address.description) }
  }

  /// Ports with a name.
  var ports: [lnd_port] { Array(names.keys) }

  private func isHeld(_ address: IPAddress, _ name: String) -> Bool {
    names.values.contains { $0.name == name && $0.address6 == address }
  }

  mutating func withdraw(_ port: lnd_port, by host: HostNames?) {
    guard let known = names.removeValue(forKey: port) else { return }
    guard names.values.contains(where: { $0.name == known.name }) else {
      host?.withdraw(known.name)
      return
    }
    if let old = known.address6, !isHeld(old, known.name) {
      host?.withdraw(known.name, old.description)
    }
  }
}
