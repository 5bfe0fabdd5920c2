// SPDX-License-Identifier: Apache-2.0
//
// InstanceListener: an address of the host at which an instance wants to listen, and which of them cannot be had by all
// who want them. Pure.

import Platform

struct InstanceListener: Hashable {
  let instance: String
  /// The field of lima.yaml that asks for it.
  let what: String
  let key: ForwardKey
  /// Where it leads, as lima.yaml has it: two that lead to the same are one.
  let target: String

  private static let maximumWarnings = 8

  /// A sentence for each address of `own` that another one has, or has asked for before.
  static func conflicts(_ own: [InstanceListener], _ others: [InstanceListener]) -> [String] {
    var taken: [Place: [InstanceListener]] = [:]
    for other in others { taken[Place(other.key), default: []].append(other) }
    var found: [Conflict] = []
    for listener in own {
      let place = Place(listener.key)
      if let other = taken[place]?.first(where: { overlap($0.key, listener.key) }) {
        let conflict = Conflict(listener, with: other)
        if let index = found.firstIndex(where: { $0.isAbout(conflict) }) {
          found[index].add(conflict)
        } else {
          found.append(conflict)
        }
      }
      taken[place, default: []].append(listener)
    }
    let result = found.map(\.text)
    guard result.count > maximumWarnings else { return result }
    return result.prefix(maximumWarnings) + [
      "and \(result.count - maximumWarnings) more like \(result.count - maximumWarnings == 1 ? "this" : "these")"
    ]
  }

  /// An address that is asked for more than once, for one protocol or two.
  private struct Conflict {
    let what: String
    let host: String
    /// Nil: the instance's own.
    let other: String?
    var isSameTarget: Bool
    /// With how often each is asked for beside the first time.
    var protocols: [(name: String, count: Int)]

    init(_ listener: InstanceListener, with other: InstanceListener) {
      what = listener.what
      host = listener.key.host
      self.other = other.instance == listener.instance ? nil : other.instance
      isSameTarget = other.key == listener.key && other.target == listener.target
      protocols = [(listener.key.protocol, 1)]
    }

    func isAbout(_ conflict: Conflict) -> Bool {
      what == conflict.what && host == conflict.host && other == conflict.other
    }

    mutating func add(_ conflict: Conflict) {
      isSameTarget = isSameTarget && conflict.isSameTarget
      for new in conflict.protocols {
        if let index = protocols.firstIndex(where: { $0.name == new.name }) {
          protocols[index].count += new.count
        } else {
          protocols.append(new)
        }
      }
    }

    var text: String {
      let subject = "\(what): \(protocols.map(\.name).joined(separator: " and ")) \(host) "
      let verb = protocols.count == 1 ? "is" : "are"
      let times = 1 + (protocols.map(\.count).max() ?? 1)
      let whose = other.map { "instance \($0)'s, too" } ?? "asked for \(Plural.times(times))"
      if other == nil, isSameTarget {
        return "\(subject)\(verb) \(whose), for the same port of the guest: once is enough"
      }
      let one = protocols.count == 1 ? "only one of" : "of each only one of"
      let end =
        other != nil || times == 2
        ? "the two can be open, the other waits" : "them can be open, the others wait"
      return "\(subject)\(verb) \(whose): \(one) \(end) until it is free"
    }
  }

  /// What has to be equal for two to be in each other's way.
  private struct Place: Hashable {
    let `protocol`: String
    let end: Substring

    init(_ key: ForwardKey) {
      self.protocol = key.protocol
      let colon = key.protocol == "unix" ? nil : key.host.lastIndex(of: ":")
      end = colon.map { key.host[$0...] } ?? key.host[...]
    }
  }

  /// Of the same port: one address, or every address (of a family) beside one of it.
  private static func overlap(_ one: ForwardKey, _ other: ForwardKey) -> Bool {
    if one.host == other.host { return true }
    guard one.protocol != "unix" else { return false }
    if one.host.hasPrefix(Forward.everywhere) || other.host.hasPrefix(Forward.everywhere) {
      return true
    }
    let isV6 = (one.host.hasPrefix("["), other.host.hasPrefix("["))
    guard isV6.0 == isV6.1 else { return false }
    let all = isV6.0 ? "[::]:" : "0.0.0.0:"
    return one.host.hasPrefix(all) || other.host.hasPrefix(all)
  }
}
