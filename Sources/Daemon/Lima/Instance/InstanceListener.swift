// SPDX-License-Identifier: Apache-2.0
//
// InstanceListener: an address of the host at which an instance wants to listen, and which of them cannot be had by all
// who want them. Pure.

struct InstanceListener: Hashable {
  let instance: String
  /// The field of lima.yaml that asks for it.
  let what: String
  let key: ExposedKey

  private static let maximumWarnings = 8

  /// A sentence for each of `own` that another one has, or has asked for before.
  static func conflicts(_ own: [InstanceListener], _ others: [InstanceListener]) -> [String] {
    var taken: [Place: [InstanceListener]] = [:]
    for other in others { taken[Place(other.key), default: []].append(other) }
    var result: [String] = []
    for listener in own {
      let place = Place(listener.key)
      if let other = taken[place]?.first(where: { overlap($0.key, listener.key) }) {
        let whose =
          other.instance == listener.instance
          ? "asked for twice" : "instance \(other.instance)'s, too"
        result.append(
          "\(listener.what): \(listener.key.protocol) \(listener.key.host) is \(whose): only one of "
            + "the two can be open, the other waits until it is free")
      }
      taken[place, default: []].append(listener)
    }
    guard result.count > maximumWarnings else { return result }
    return result.prefix(maximumWarnings) + [
      "and \(result.count - maximumWarnings) more like these"
    ]
  }

  /// What has to be equal for two to be in each other's way.
  private struct Place: Hashable {
    let `protocol`: String
    let end: Substring

    init(_ key: ExposedKey) {
      self.protocol = key.protocol
      let colon = key.protocol == "unix" ? nil : key.host.lastIndex(of: ":")
      end = colon.map { key.host[$0...] } ?? key.host[...]
    }
  }

  /// Of the same port: one address, or every address of a family beside one of it.
  private static func overlap(_ one: ExposedKey, _ other: ExposedKey) -> Bool {
    if one.host == other.host { return true }
    guard one.protocol != "unix" else { return false }
    let isV6 = (one.host.hasPrefix("["), other.host.hasPrefix("["))
    guard isV6.0 == isV6.1 else { return false }
    let all = isV6.0 ? "[::]:" : "0.0.0.0:"
    return one.host.hasPrefix(all) || other.host.hasPrefix(all)
  }
}
