// SPDX-License-Identifier: Apache-2.0
//
// Hosts that are wildcards, "*.dev.internal"; names above owned ones; the zone that a negative answer
// tells of.

import DNSMessage

extension OwnedNames {
  /// The wildcard that stands in for a name that nobody has: that of the nearest name above which
  /// there is (RFC 4592 3.3.1). A zone that lies closer to the name goes before it.
  func wildcard(_ name: DNSName) -> OwnedNameSet.Entry? {
    guard sets.contains(where: { !$0.wildcards.isEmpty }) else { return nil }
    var suffix = name
    repeat {
      suffix = suffix.parent
      for set in sets {
        if let entry = set.wildcards[suffix] {
          let zone = apex(of: name)?.wire.count ?? 0
          return zone > suffix.wire.count ? nil : entry
        }
      }
      // This name is there, and it has no wildcard.
      if sets.contains(where: { $0.hosts[suffix] != nil }) { return nil }
      if published.addresses(of: suffix) != nil { return nil }
    } while !suffix.isRoot
    return nil
  }

  /// The zone with the longest name that `name` is or lies in.
  func apex(of name: DNSName) -> DNSName? {
    var longest: DNSName?
    for set in sets where !set.zones.isEmpty {
      guard let zone = set.zone(of: name)?.name else { continue }
      if zone.wire.count > longest?.wire.count ?? 0 { longest = zone }
    }
    return longest
  }

  /// Whether names below it are owned: then it exists, though it may be somebody else's.
  func isAbove(_ name: DNSName) -> Bool {
    published.above.contains(name) || sets.contains { $0.above.contains(name) }
  }

  /// What the plugin says, but that it denies a name which is above one of ours: a resolver in a
  /// guest would take that for all below it (RFC 8020 2).
  func corrected(_ bytes: [UInt8], _ question: DNSQuestion) -> [UInt8] {
    guard let survey = try? DNSSurvey(bytes), survey.header.responseCode == .nameError,
      survey.answerCount == 0, isAbove(question.name),
      var message = try? DNSMessage(parsing: bytes)
    else { return bytes }
    message.header.responseCode = .noError
    message.header.authenticData = false
    message.authorities = [
      DNSRecord(
        authorityOf: question.name, dnsClass: question.dnsClass, ttl: Self.timeToLive)
    ]
    return message.encoded()
  }

  /// The SOA of an answer that denies, nil for another: a name without a zone is one by itself.
  func authority(
    _ question: DNSQuestion, _ code: DNSResponseCode, _ records: [DNSRecord]
  ) -> DNSRecord? {
    guard code == .noError || code == .nameError else { return nil }
    let isData = records.contains { $0.type == question.type || question.type == .any }
    if code == .noError, isData { return nil }
    // Of the name that an alias leads to.
    var name = question.name
    if case .name(.cname, let target)? = records.last?.data { name = target }
    return DNSRecord(
      authorityOf: apex(of: name) ?? name, dnsClass: question.dnsClass, ttl: Self.timeToLive)
  }
}
