// SPDX-License-Identifier: Apache-2.0
//
// A network's guests with what its process knows of them, and sending one away.

import HostProtocol
import Platform

extension Network {
  /// By id. A process that does not answer leaves out what only it knows.
  func guestDetails() async -> [GuestDetail] {
    guard !guests.reports.isEmpty, let link = core.running else {
      return GuestDetails.join(network: name, guests.reports)
    }
    let status = await wholeStatus(link)
    let stations = await stations(link)
    let leases = (try? await leases.list()) ?? []
    // Those that are here now: some may have come or gone since they were asked for.
    return GuestDetails.join(
      network: name, guests.reports, ports: status?.ports ?? [], stations: stations,
      leases: leases, mtus: guests.mtus)
  }

  /// - Parameter guest: its name, number or Ethernet address.
  func disconnect(_ guest: String) async throws(ErrorReport) -> GuestDetail {
    let found = try GuestDetails.find(guest, of: await guestDetails(), network: name)
    if guests.unixgramGuests.contains(where: { $0.id == found.id }) {
      // The process says that it went.
      link?.send(.removePort(found.id))
    } else {
      guestLeft(found.id, "it was disconnected by `guest disconnect`", tellHost: true)
    }
    return found
  }

  /// Calls a guest something else from now on: for users, forwards, and the plugin, which may publish the name in DNS.
  /// - Parameter guest: as of `disconnect`.
  func rename(_ guest: String, to new: String) async throws(ErrorReport) -> GuestDetail {
    var found = try GuestDetails.find(guest, of: await guestDetails(), network: name)
    try refuseName(new, of: found)
    guests.rename(found.id, new)
    log(.info, "guest \(found.name) is called \(new) now")
    link?.send(.renamePort(PortName(id: found.id, name: new)))
    found.name = new
    return found
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".")
    }
  }

  private func refuseName(_ new: String, of guest: GuestDetail) throws(ErrorReport) {
    // A plugin takes the name for what comes before a NUL; a terminal takes control characters for orders.
    guard (1...253).contains(new.utf8.count),
      new.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7f })
    else {
      throw ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message: "a guest's name has 1 to 253 bytes, without spaces and control characters")
    }
    // As `exec --name` has it (RFC 1123 §2.1, and underscores).
    guard new.utf8.allSatisfy(Self.isOfName), !Self.standsForAnother(new) else {
      throw ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message:
          "a guest cannot be called \(new): guests are found by number and address, too, and names "
          + "have letters, digits, `-`, `_` and dots")
    }
    // As DNS compares them (RFC 4343).
    guard guest.name.lowercased() != new.lowercased(),
      guests.names.contains(where: { $0.lowercased() == new.lowercased() })
    else { return }
    throw ErrorReport(
      code: HostError.Code.exists.rawValue,
      message: "network \(name) has a guest \(new) already")
  }
}

/// What several sources say of guests, put together. Pure.
package enum GuestDetails {
  /// - Parameter stations: Ethernet addresses and the guests they are behind.
  static func join(
    network: String, _ reports: [GuestReport], ports: [PortStatus] = [],
    stations: [String: UInt64] = [:], leases: [LeaseReport] = [], mtus: [UInt64: Int] = [:]
  ) -> [GuestDetail] {
    let ports = Dictionary(ports.map { ($0.id, $0) }) { first, _ in first }
    let behind = Dictionary(grouping: stations.keys.sorted()) { stations[$0] ?? 0 }
    return reports.map { report in
      let port = ports[report.id]
      let told = report.mac.map { [$0.lowercased()] } ?? []
      let seen = (behind[report.id] ?? []).map { $0.lowercased() }
      let known = told + seen.filter { !told.contains($0) }
      // Where each guest is alone no switch learns addresses: the lease names the guest whose it is, also while it is only
      // offered.
      let own = leases.filter { lease in
        guard lease.state != "declined" else { return false }
        guard let mac = lease.mac?.lowercased(), !known.isEmpty else {
          return lease.name == report.name && !report.name.isEmpty
        }
        return known.contains(mac)
      }
      var macs = known
      for mac in own.compactMap({ $0.mac?.lowercased() }) where !macs.contains(mac) {
        macs.append(mac)
      }
      return GuestDetail(
        network: network, id: report.id, name: report.name,
        hostname: own.lazy.compactMap(\.hostname).first { !$0.isEmpty },
        transport: report.transport, macs: macs, addresses: own.map(\.address),
        since: report.since, mtu: mtus[report.id],
        fromGuest: port.map { .init(frames: $0.rxFrames, bytes: $0.rxBytes) },
        toGuest: port.map { .init(frames: $0.txFrames, bytes: $0.txBytes) },
        drops: port?.drops, reasons: port?.counters)
    }
  }

  /// The one that is meant: by number, name, Ethernet address, host name, address, then by what DNS calls it.
  package static func find(
    _ word: String, of guests: [GuestDetail], network: String
  ) throws(ErrorReport) -> GuestDetail {
    let matches: [(GuestDetail) -> Bool] = [
      { String($0.id) == word }, { $0.name == word },
      { $0.macs.contains(word.lowercased()) }, { $0.hostname == word },
      { $0.has(address: word) }, { $0.isCalled(word) },
    ]
    for match in matches {
      let found = guests.filter(match)
      if found.count == 1 { return found[0] }
      guard found.count < 2 else {
        let ids = found.map { String($0.id) }.joined(separator: ", ")
        throw ErrorReport(
          code: HostError.Code.exists.rawValue,
          message: "network \(network) has several guests `\(word)`; name one by its number: \(ids)"
        )
      }
    }
    let names = guests.map(\.name) + guests.compactMap(\.hostname).filter { !$0.isEmpty }
    let hint =
      guests.isEmpty
      ? "it has none"
      : Identifier.nearest(to: word, among: names).map { "did you mean `\($0)`?" }
        ?? Plural.there(guests.map(\.name), most: 10)
    throw ErrorReport(
      code: HostError.Code.notFound.rawValue,
      message: "network \(network) has no guest `\(word)`: \(hint)")
  }
}

extension GuestDetail {
  /// However the address is spelled (RFC 4291 §2.2; shown as RFC 5952 has it), in brackets, too.
  func has(address word: String) -> Bool {
    if addresses.contains(word) { return true }
    let text = word.hasPrefix("[") && word.hasSuffix("]") ? word.dropFirst().dropLast() : word[...]
    guard let asked = ForwardIP(String(text)) else { return false }
    return addresses.contains { ForwardIP($0) == asked }
  }

  /// A name of DNS, with `.internal` or without, is this guest's: what it calls itself, or its link, or `lima-NAME`. Case and
  /// a last dot make no difference.
  func isCalled(_ word: String) -> Bool {
    var asked = word.lowercased()[...]
    if asked.hasSuffix(".") { asked.removeLast() }
    if asked.hasSuffix(".internal") { asked.removeLast(".internal".count) }
    guard !asked.isEmpty else { return false }
    let own = [hostname.map { String($0.prefix { $0 != "." }) }, name].compactMap { $0 }
      .map { $0.lowercased().replacing("_", with: "-") }
    let lima = name.lowercased().replacing("_", with: "-").replacing(".", with: "-")
    return own.contains(String(asked)) || asked == "lima-\(lima)"
  }
}
