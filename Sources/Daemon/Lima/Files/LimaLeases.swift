// SPDX-License-Identifier: Apache-2.0
//
// LimaLeases: leases in the format of Lima and gvproxy: one JSON object, from addresses to MAC addresses, including the
// gateway. Pure.

enum LimaLeases {
  static let gatewayMAC = "5a:94:ef:e4:0c:dd"

  /// The gateway of a subnet in Lima, which ignores `gateway:`.
  static func gateway(of subnet: IPv4Subnet) -> String {
    IPv4Address(subnet.network.value &+ 2).description
  }

  /// The leases in use with an IPv4 address, and the gateway: Lima and gvproxy have no others.
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

  /// The valid entries of a file, which is not trusted: addresses in the subnet, MAC addresses.
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
  /// The client has the address: it is neither offered nor released.
  var isHeld: Bool { [nil, "bound", "static", "reserved", "auto"].contains(state) }

  var isIPv6: Bool { address.contains(":") }

  /// The guest is disconnected, as far as the plugin reports it.
  var isAbsent: Bool { !isHeld || name == "" }
}
