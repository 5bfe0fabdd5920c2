// SPDX-License-Identifier: Apache-2.0
//
// Whose addresses are whose (limanetd.guard/1). AddressGuard+Inspect.swift: what a guest's frame
// claims of them. Bindings are bounded. Thread: loop only.

struct AddressGuard {
  static let limit = 65536

  /// Whether there is anything to look at.
  private(set) var isActive = false
  /// Another number after each change of a binding.
  private(set) var revision: UInt32 = 1
  private var stations: [UInt32: UInt64] = [:]
  private var addresses: [UInt64: Int] = [:]
  private var own: Set<UInt64> = []
  var servesDHCP = false { didSet { changed() } }

  /// False at the limit.
  mutating func bind(_ address: UInt32, to mac: UInt64, isOwn: Bool) -> Bool {
    unbind(address)
    guard stations.count < Self.limit else { return false }
    stations[address] = mac
    addresses[mac, default: 0] += 1
    if isOwn { own.insert(mac) }
    changed()
    return true
  }

  mutating func unbind(_ address: UInt32) {
    guard let mac = stations.removeValue(forKey: address) else { return }
    let left = (addresses[mac] ?? 1) - 1
    addresses[mac] = left > 0 ? left : nil
    if left <= 0 { own.remove(mac) }
    changed()
  }

  private mutating func changed() {
    isActive = servesDHCP || !stations.isEmpty
    revision &+= 1
  }

  func station(of address: UInt32) -> UInt64? { stations[address] }

  /// One of a station's addresses. Looks at all bindings.
  func address(of mac: UInt64) -> UInt32? {
    isBound(mac) ? stations.first { $0.value == mac }?.key : nil
  }

  /// A station of the plugin's own, and its address.
  var ownStation: (mac: UInt64, address: UInt32)? {
    own.first.flatMap { mac in address(of: mac).map { (mac, $0) } }
  }

  /// Whether an Ethernet address belongs to somebody who has an IP address by it.
  func isBound(_ mac: UInt64) -> Bool { addresses[mac] != nil }

  /// Whether it is the plugin's own.
  func isOwn(_ mac: UInt64) -> Bool { own.contains(mac) }
}
