// SPDX-License-Identifier: Apache-2.0
//
// Reports the guests of a switched network to its plugin (limanetd.guests/1), and the switch's events about them to the
// log. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

extension NetworkPlugin {
  /// Called when the switch's port is up.
  func watchSwitch() {
    guard let learningSwitch else { return }
    learningSwitch.waitsPatiently = (guests?.flags ?? 0) & LND_GUESTS_SELECTIVE != 0
    learningSwitch.onNotice = { [unowned self] in notice($0) }
  }

  func guestUp(_ port: Port) {
    guard let up = guests?.guest_up, bridge.instance != nil else { return }
    var info = guestInfo(port)
    port.name.withCString { name in
      info.name = name
      bridge.call("guest_up") { up(bridge.instance, &info) }
    }
  }

  func guestChanged(_ port: Port) {
    guard let changed = guests?.guest_changed, bridge.instance != nil else { return }
    var info = guestInfo(port)
    port.name.withCString { name in
      info.name = name
      bridge.call("guest_changed") { changed(bridge.instance, &info) }
    }
  }

  func guestDown(_ handle: lnd_port) {
    guard let down = guests?.guest_down, bridge.instance != nil else { return }
    bridge.call("guest_down") { down(bridge.instance, handle) }
  }

  private func notice(_ notice: Switch.Notice) {
    switch notice {
    case .station(let port, let mac, let moved):
      if moved { warn("station \(MACText.text(mac)) moved to \(label(port))") }
      guard let station = guests?.station, bridge.instance != nil,
        learningSwitch?.isGuest(port) == true
      else { return }
      MACText.bytes(mac).withUnsafeBufferPointer { bytes in
        bridge.call("station") { station(bridge.instance, port, bytes.baseAddress) }
      }
    case .spoofed(let port, let mac):
      onContest()
      // The plugin's own address is the gateway's.
      let owner = learningSwitch?.holder(of: mac).map { label($0) } ?? "the gateway"
      warn("\(label(port)) sends as \(MACText.text(mac)), the address of \(owner): dropped")
    case .arpSpoofed(let port, let address):
      warn("\(label(port)) claims \(address) by ARP, which is another's: dropped")
    case .ipSpoofed(let port, let address):
      warn("\(label(port)) sends from \(address), which is another's: dropped")
    case .ipOutside(let port, let address):
      warn(
        "\(label(port)) sends from \(address), which is none of the network's: dropped (a guest that routes is one of "
          + "portSecurity.routers)")
    case .ndpSpoofed(let port, let address):
      warn("\(label(port)) claims \(address), which is another's: dropped")
    case .dhcpServer(let port):
      warn("\(label(port)) speaks as a DHCP server, which it is not: dropped")
    case .ipv6Router(let port):
      warn("\(label(port)) speaks as an IPv6 router, which it is not: dropped")
    }
  }

  private func label(_ handle: lnd_port) -> String {
    guard let port = learningSwitch?.port(handle) else { return "a guest that is gone" }
    return "guest " + (port.name.isEmpty ? "\(port.id)" : "\(port.id) (\(port.name))")
  }

  /// Rate-limited: guests could fill the log.
  private func warn(_ text: @autoclosure () -> String) {
    guard let unsaid = noticeLog.admit(MonotonicClock.now()) else { return }
    let more = unsaid > 0 ? " (\(unsaid) more like it were not logged)" : ""
    bridge.log.warning("switch", text() + more)
  }
}
