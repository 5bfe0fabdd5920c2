// SPDX-License-Identifier: Apache-2.0
//
// NameRegistry: names that the network answers by itself. The supervisor keeps them, by owner (the configuration, an
// instance, the zones that clients of `_ep.sock` added), so that they are there again after a crash or a stop.
// Loop thread.

import HostProtocol

final class NameRegistry {
  private let core: NetworkCore
  /// By owner.
  var sets: [String: NameSet] = [:]
  /// What the process has of them.
  var parts = NameParts()
  /// Added by clients of `_ep.sock`.
  var zones: [ZoneBody] = []
  /// Addresses of guests that have left: no name of a zone leads there.
  var absent: Set<String> = []

  private static let maximumZones = 256
  /// Of all zones.
  private static let maximumZoneRecords = 8192
  /// The owner of `dns.hosts` in networks.yaml.
  private static let configurationOwner = "config"
  /// The owner of zones.
  private static let endpointOwner = "api"

  init(_ core: NetworkCore) { self.core = core }

  var hasZones: Bool { !zones.isEmpty }

  /// Replaces the names of one owner; an empty set withdraws them.
  func set(_ set: NameSet) {
    let isEmpty = set.hosts.isEmpty && set.zones.isEmpty
    guard sets[set.owner] != (isEmpty ? nil : set) else { return }
    sets[set.owner] = isEmpty ? nil : set
    if let link = core.running { give(set, to: link) }
  }

  /// `dns.hosts` of networks.yaml.
  func setConfigured(_ hosts: [String: [String]]) {
    set(NameSet(owner: Self.configurationOwner, hosts: hosts))
  }

  /// Gives a new process the names of the one before.
  func replay(to link: HostLink) {
    parts = NameParts()
    for owner in sets.keys.sorted() {
      if let set = sets[owner] { give(set, to: link) }
    }
  }

  private func give(_ set: NameSet, to link: HostLink) {
    core.begin { [self] in _ = await push(set, to: link) }
  }

  /// Gives the process what is new of a set, part by part.
  /// - Returns: the first refusal, if there is one.
  private func push(_ set: NameSet, to link: HostLink) async -> HostError? {
    parts.replace(set)
    var failure: HostError?
    while link === core.running, let part = parts.next(of: set.owner) {
      do throws(HostError) { _ = try await link.ask(.setNames(part)) } catch {
        guard !link.hasEnded else { return nil }
        core.log(.warning, "names of \(set.owner) are not answered: \(error)")
        failure = failure ?? error
      }
      guard !link.hasEnded else { return nil }
    }
    return failure
  }

  // MARK: Zones

  /// Adds a zone. To one of the same name its records are added in front, where they are found first; its default
  /// address replaces that one's. What the network's process does not take is not added.
  func add(_ zone: ZoneBody) async throws(EndpointError) {
    let before = zones
    if let index = zones.firstIndex(where: { $0.name == zone.name }) {
      let others = zones[index].records.filter { !zone.records.contains($0) }
      zones[index].records = Array((zone.records + others).prefix(ZoneBody.maximumRecords))
      zones[index].defaultAddress = zone.defaultAddress
    } else {
      guard zones.count < Self.maximumZones else {
        throw .badRequest("there are \(zones.count) zones already")
      }
      zones.append(zone)
    }
    guard zones.reduce(0, { $0 + $1.records.count }) <= Self.maximumZoneRecords else {
      zones = before
      throw .badRequest("the zones of a network have \(Self.maximumZoneRecords) records at most")
    }
    let set = zonesAsNames
    guard set != sets[Self.endpointOwner], let link = core.running else { return self.set(set) }
    sets[Self.endpointOwner] = set
    guard let error = await push(set, to: link),
      error.code == .invalidConfig || error.code == .limit
    else { return }
    // Others may have been added meanwhile: this one alone goes back.
    let old = before.first { $0.name == zone.name }
    zones = zones.compactMap { $0.name == zone.name ? old : $0 }
    self.set(zonesAsNames)
    throw .badRequest(error.message)
  }

  /// Without what points to guests that have left: a name goes with its guest, though gvproxy's API has no word for it.
  private var zonesAsNames: NameSet {
    NameSet(
      owner: Self.endpointOwner,
      zones: zones.map { zone in
        NameZone(
          name: zone.name,
          // A record without an address answers nothing: gvproxy would send an empty one.
          records: zone.records.filter {
            !$0.address.isEmpty && !absent.contains($0.address)
          }.map {
            NameZone.Record(name: $0.name, address: $0.address, pattern: $0.pattern)
          }, defaultAddress: zone.defaultAddress.isEmpty ? nil : zone.defaultAddress)
      })
  }

  /// The guests of these addresses, and no others, have left.
  func withhold(_ addresses: Set<String>) {
    absent = addresses
    set(zonesAsNames)
  }

  /// The zones that were added, and the names of instances in the form that gvproxy has for them.
  var zonesJSON: JSONValue {
    var all = zones
    for owner in sets.keys.sorted() where owner != Self.endpointOwner {
      for (name, addresses) in (sets[owner]?.hosts ?? [:]).sorted(by: { $0.key < $1.key }) {
        // The last label is the zone, as Lima cuts names.
        let labels = name.split(separator: ".")
        guard labels.count > 1, let last = labels.last, let address = addresses.first,
          ForwardIP(address) != nil
        else { continue }
        let record = ZoneBody.Record(
          name: labels.dropLast().joined(separator: "."), address: address)
        if let index = all.firstIndex(where: { $0.name == "\(last)." }) {
          if !all[index].records.contains(record) { all[index].records.append(record) }
        } else {
          all.append(ZoneBody(name: "\(last).", records: [record]))
        }
      }
    }
    return .array(all.map(\.json))
  }
}
