// SPDX-License-Identifier: Apache-2.0
//
// Which guests a network cannot have beside those that it has: two of one name, which forwards could not tell apart, or,
// where they are on one switch, two of one Ethernet address.
// Loop thread.

import DNSMessage
import HostProtocol

extension Network {
  /// As DNS compares them (RFC 4343).
  private var guestNames: Set<String> { Set(guests.names.map { $0.lowercased() }) }

  /// Guests are also found by number, address and Ethernet address.
  static func standsForAnother(_ name: String) -> Bool {
    UInt64(name) != nil || DNSAddress(name) != nil || SchemaFormat.isMAC(name)
  }

  /// Why the guest that asks cannot be here now; nil: nothing is known against it.
  func refusal(of request: AttachRequest) -> ErrorReport? {
    if request.startsNothing == true, state == .stopped || state == .stopping || state == .failed {
      return ErrorReport(
        code: HostError.Code.busy.rawValue, message: "network \(name) is stopped")
    }
    if request.nameIsMade != true, Self.standsForAnother(request.name) {
      return ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message:
          "a guest cannot be called \(request.name): guests are found by number and address, "
          + "too; give it another --name")
    }
    if request.nameIsMade != true, !request.name.isEmpty,
      guestNames.contains(request.name.lowercased())
    {
      return ErrorReport(
        code: HostError.Code.exists.rawValue,
        message: "network \(name) has a guest \(request.name) already: give this one another --name"
      )
    }
    guard let active, !active.plugin.plugin.isolated, let mac = request.mac?.lowercased(),
      let other = guests.all.first(where: { $0.mac?.lowercased() == mac })
    else { return nil }
    return ErrorReport(
      code: HostError.Code.exists.rawValue,
      message:
        "\(request.name) has the Ethernet address of \(other.name), \(mac): give each guest of network "
        + "\(name) its own")
  }

  /// The name the guest will have: the one it asks for, with a number behind it where that is taken.
  func freeName(for request: AttachRequest) -> String {
    let taken = guestNames
    guard !request.name.isEmpty, taken.contains(request.name.lowercased()) else {
      return request.name
    }
    for number in 2...max(2, taken.count + 2) {
      let name = "\(request.name)-\(number)"
      if !taken.contains(name.lowercased()) { return name }
    }
    return request.name
  }
}
