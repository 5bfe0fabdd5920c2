// SPDX-License-Identifier: Apache-2.0
//
// LimaLeases: leases as Lima and gvproxy have them: one JSON object, addresses to MAC addresses, the gateway among them.
// Pure.

enum LimaLeases {
  static let gatewayMAC = "5a:94:ef:e4:0c:dd"

  /// The gateway of a subnet of Lima's, whatever `gateway:` says.
  static func gateway(of subnet: IPv4Subnet) -> String {
    IPv4Address(subnet.network.value &+ 2).description
  }

  /// Those whom an IPv4 address belongs to, and the gateway: Lima and gvproxy know no other.
  static func map(_ leases: [LeaseReport], gateway: String?) -> [String: String] {
    var result: [String: String] = [:]
    for lease in leases where lease.isHeld && !lease.isIPv6 {
      if let mac = lease.mac { result[lease.address] = mac }
    }
    if let gateway { result[gateway] = gatewayMAC }
    return result
  }

  static func encode(_ leases: [String: String]) -> [UInt8] {
    let members = leases.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
    return JSONValue.object(JSONObject(members)).bytes + [0x0a]
  }

  /// What makes sense of a file, which anybody may have written: addresses of the subnet, MAC addresses.
  static func decode(
    _ bytes: [UInt8], of subnet: IPv4Subnet?, gateway: String?
  ) -> [String: String] {
    guard case .object(let object)? = try? JSONValue(parsing: bytes) else { return [:] }
    var result: [String: String] = [:]
    for member in object.members {
      guard let address = IPv4Address(member.name), subnet?.contains(address) ?? true,
        let mac = member.value.string, SchemaFormat.isMAC(mac)
      else { continue }
      result[member.name] = mac
    }
    if let gateway { result[gateway] = gatewayMAC }
    return result
  }
}

extension LeaseReport {
  /// The address is the client's now: neither offered nor given back.
  var isHeld: Bool { [nil, "bound", "static", "reserved", "auto"].contains(state) }

  var isIPv6: Bool { address.contains(":") }

  /// Its guest's link is gone, as far as the plugin tells.
  var isAbsent: Bool { !isHeld || name == "" }
}
