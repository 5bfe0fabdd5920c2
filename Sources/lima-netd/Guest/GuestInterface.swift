// SPDX-License-Identifier: Apache-2.0
//
// GuestInterface: creates the TAP in the present network namespace and configures it from the lease. Such a guest runs no
// DHCP client: the daemon assigns the address when it accepts the TAP.

import Daemon
import Platform

#if os(Linux)

  struct GuestInterface {
    let tap: Tap
    let mac: String

    /// Frames that the kernel queues for the daemon: a TAP drops frames beyond that, while a real card makes TCP wait.
    static let transmitQueueLength: UInt32 = 10_000

    init(name: String, mac: MACAddressArgument?) throws {
      do throws(SystemError) {
        tap = try Tap.open(name: name)
        if let mac { try tap.setMACAddress(mac.bytes) }
        self.mac = try tap.macAddress()
      } catch {
        throw Advice().tap(error, name: name)
      }
    }

    /// Brings it up without an address: a program in the namespace configures it.
    func bringUp(mtu: Int?) throws {
      var netlink = try Netlink()
      let link = try netlink.link(named: tap.name)
      try netlink.setLink(
        index: link.index, name: tap.name, up: true, mtu: mtu.map { UInt32($0) },
        transmitQueueLength: Self.transmitQueueLength)
    }

    /// Sets MTU, address and default route.
    /// - Parameters:
    ///   - before: the previous lease; its address is removed if it differs.
    ///   - mtu: the user's MTU; nil: the lease's.
    func configure(_ lease: LeaseOffer, before: LeaseOffer? = nil, mtu: Int?) throws {
      guard let address = NetlinkAddress(lease.address), (0...128).contains(lease.prefixLength)
      else {
        throw CommandFailure(
          "The network offers an address that is none: \(lease.address)/\(lease.prefixLength)")
      }
      // The lease has the address; the kernel must not add an autoconfigured one.
      if lease.ipv6 != nil { InterfaceSettings.set("autoconf", 0, on: tap.name) }
      try bringUp(mtu: mtu ?? lease.mtu.flatMap { (68...65535).contains($0) ? $0 : nil })
      var netlink = try Netlink()
      let link = try netlink.link(named: tap.name)
      if let before, before.address != lease.address || before.prefixLength != lease.prefixLength,
        let old = NetlinkAddress(before.address)
      {
        // It may have been removed already.
        try? netlink.removeAddress(
          old, prefixLength: UInt8(clamping: before.prefixLength), index: link.index, name: tap.name
        )
      }
      try netlink.addAddress(
        address, prefixLength: UInt8(lease.prefixLength), index: link.index, name: tap.name)
      if let gateway = lease.gateway.flatMap({ NetlinkAddress($0) }) {
        try netlink.setDefaultRoute(via: gateway, index: link.index, name: tap.name)
      }
      configureIPv6(lease.ipv6, before: before?.ipv6, index: link.index)
    }

    /// The same for IPv6, if the kernel has it: a namespace without it is no error. The address is assigned here; the
    /// default route follows the network's router advertisements.
    private func configureIPv6(_ offer: IPv6Offer?, before: IPv6Offer?, index: Int32) {
      guard var netlink = try? Netlink() else { return }
      if let before, before.address != offer?.address, let old = NetlinkAddress(before.address) {
        try? netlink.removeAddress(
          old, prefixLength: UInt8(clamping: before.prefixLength), index: index, name: tap.name)
      }
      guard let offer, let address = NetlinkAddress(offer.address),
        (1...128).contains(offer.prefixLength)
      else { return }
      do throws(SystemError) {
        try netlink.addAddress(
          address, prefixLength: UInt8(offer.prefixLength), index: index, name: tap.name)
      } catch {
        return
      }
      guard offer.hasRoute, let gateway = offer.gateway.flatMap({ NetlinkAddress($0) }) else {
        return
      }
      try? AdvertisedRoute.add(via: gateway, index: index, name: tap.name)
    }
  }

#endif
