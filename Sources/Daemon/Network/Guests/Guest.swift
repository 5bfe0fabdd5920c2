// SPDX-License-Identifier: Apache-2.0
//
// Guest: one guest's link as the supervisor holds it, so that it outlives the network's process.
// Loop thread.

import HostProtocol
import Platform

final class Guest {
  let id: UInt64
  var name: String
  let transport: PortTransport
  let mac: String?
  let mtu: Int
  let vnetHeader: Bool
  let since: String
  /// Slot of the journal, or -1.
  let journalSlot: Int
  /// Ours to close; the host works on a duplicate.
  let fd: Int32
  /// The host has been given the link at least once.
  var introduced = false
  /// It was configured by hand with an address that the network keeps for it.
  var hasLease = false
  /// Called once when the guest is gone, by whatever side.
  var onGone: (_ reason: String) -> Void = { _ in }
  private(set) var closed = false

  init(
    id: UInt64, name: String, transport: PortTransport, fd: Int32, mac: String? = nil, mtu: Int = 0,
    vnetHeader: Bool = false, journalSlot: Int = -1, since: String = WallClock.timestamp()
  ) {
    self.id = id
    self.name = name
    self.transport = transport
    self.fd = fd
    self.mac = mac
    self.mtu = mtu
    self.vnetHeader = vnetHeader
    self.journalSlot = journalSlot
    self.since = since
  }

  var spec: PortSpec {
    PortSpec(
      id: id, transport: transport, name: name, mac: mac, mtu: mtu, vnetHeader: vnetHeader,
      journalSlot: journalSlot, resumed: introduced)
  }

  var report: GuestReport {
    GuestReport(id: id, name: name, transport: transport.rawValue, mac: mac, since: since)
  }

  /// Idempotent.
  func close(_ reason: String) {
    guard !closed else { return }
    closed = true
    Descriptor.close(fd)
    onGone(reason)
    onGone = { _ in }
  }
}
