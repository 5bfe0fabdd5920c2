// SPDX-License-Identifier: Apache-2.0
//
// lima-NAME.internal for each guest whose link has a name: Lima's name for the instance NAME. All guests of an
// isolated network have the same address, so a name exists while any guest has it.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

struct GuestNames {
  private var names: [lnd_port: String] = [:]

  /// A name that cannot be a host name is ignored.
  mutating func publish(
    _ guest: String, of port: lnd_port, address: IPAddress, by host: HostNames?
  ) {
    guard let host, let label = HostName.limaLabel(guest) else { return }
    let name = "\(label).internal"
    do throws(PluginFailure) {
      try host.publish(name, address.description)
      names[port] = name
    } catch {}
  }

  mutating func withdraw(_ port: lnd_port, by host: HostNames?) {
    guard let name = names.removeValue(forKey: port), !names.values.contains(name) else { return }
    host?.withdraw(name)
  }
}
