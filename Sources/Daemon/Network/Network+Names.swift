// SPDX-License-Identifier: Apache-2.0
//
// Names that the network answers by itself. The supervisor keeps them, by owner (the configuration, an instance, the
// zones that clients of `_ep.sock` added), so that they are there again after a crash or a stop.

import HostProtocol

extension Network {
  static let maximumZones = 256
  /// Of all zones.
  static let maximumZoneRecords = 8192
  /// The owner of `dns.hosts` in networks.yaml.
  static let configurationOwner = "config"

  static func configuredNames(_ configuration: NetworkConfiguration) -> [String: NameSet] {
    configuration.hosts.isEmpty
      ? [:]
      : [configurationOwner: NameSet(owner: configurationOwner, hosts: configuration.hosts)]
  }

  /// Replaces the names of one owner; an empty set withdraws them.
  func setNames(_ set: NameSet) {
    let isEmpty = set.hosts.isEmpty && set.zones.isEmpty
    guard names[set.owner] != (isEmpty ? nil : set) else { return }
    names[set.owner] = isEmpty ? nil : set
    guard state == .running, let link else { return }
    push(set, to: link)
  }

  /// Gives a new process the names of the one before.
  func replayNames(to link: HostLink) {
    nameParts = NameParts()
    for owner in names.keys.sorted() {
      if let set = names[owner] { push(set, to: link) }
    }
  }

  /// Gives the process what is new of a set, part by part.
  /// - Parameter answer: the first refusal, if there is one.
  private func push(
    _ set: NameSet, to link: HostLink, answer: @escaping (HostError?) -> Void = { _ in }
  ) {
    nameParts.replace(set)
    pushNext(of: set.owner, to: link, failure: nil, answer)
  }

  private func pushNext(
    of owner: String, to link: HostLink, failure: HostError?,
    _ answer: @escaping (HostError?) -> Void
  ) {
    guard link === self.link, let part = nameParts.next(of: owner) else { return answer(failure) }
    link.request(.setNames(part)) { [weak self] reply in
      guard let self, !link.hasEnded else { return answer(nil) }
      var failure = failure
      if case .failure(let error) = reply {
        log(.warning, "names of \(owner) are not answered: \(error)")
        failure = failure ?? error
      }
      pushNext(of: owner, to: link, failure: failure, answer)
    }
  }

  // MARK: Zones

  /// Adds a zone. To one of the same name its records are added in front, where they are found first; its default
  /// address replaces that one's. What the network's process does not take is not added.
  func add(_ zone: ZoneBody, answer: @escaping EndpointAnswer) {
    let before = zones
    if let index = zones.firstIndex(where: { $0.name == zone.name }) {
      let others = zones[index].records.filter { !zone.records.contains($0) }
      zones[index].records = Array((zone.records + others).prefix(ZoneBody.maximumRecords))
      zones[index].defaultAddress = zone.defaultAddress
    } else {
      guard zones.count < Self.maximumZones else {
        return answer(.failure(.badRequest("there are \(zones.count) zones already")))
      }
      zones.append(zone)
    }
    guard zones.reduce(0, { $0 + $1.records.count }) <= Self.maximumZoneRecords else {
      zones = before
      return answer(
        .failure(
          .badRequest("the zones of a network have \(Self.maximumZoneRecords) records at most")))
    }
    let set = zonesAsNames
    guard set != names[Self.endpointOwner], state == .running, let link else {
      setNames(set)
      return answer(.success(true))
    }
    names[Self.endpointOwner] = set
    push(set, to: link) { [weak self] error in
      guard let self, let error, error.code == .invalidConfig || error.code == .limit else {
        return answer(.success(true))
      }
      zones = before
      pushZones()
      answer(.failure(.badRequest(error.message)))
    }
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
            !$0.address.isEmpty && !absentAddresses.contains($0.address)
          }.map {
            NameZone.Record(name: $0.name, address: $0.address, pattern: $0.pattern)
          }, defaultAddress: zone.defaultAddress.isEmpty ? nil : zone.defaultAddress)
      })
  }

  func pushZones() { setNames(zonesAsNames) }

  /// The zones that were added, and the names of instances in the form that gvproxy has for them.
  var zonesJSON: JSONValue {
    var all = zones
    for owner in names.keys.sorted() where owner != Self.endpointOwner {
      for (name, addresses) in (names[owner]?.hosts ?? [:]).sorted(by: { $0.key < $1.key }) {
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
