// SPDX-License-Identifier: Apache-2.0
//
// Wildcard hosts, "*.dev.internal"; names above owned ones; the zone named by a negative answer.

import DNSMessage

extension OwnedNames {
  /// The wildcard for a name that no owner has: that of the closest existing name above it (RFC 4592 3.3.1). A zone
  /// closer to the name takes precedence.
  func wildcard(_ name: DNSName) -> OwnedNameSet.Entry? {
    guard index.wildcardDepths.deepest >= 0 else { return nil }
    var place = name.parent.suffix(index.wildcardDepths.deepest)
    while index.wildcards[place] == nil {
      if place.isRoot { return nil }
      place = place.parent
    }
    if let zone = apex(of: name), zone.wire.count > place.wire.count { return nil }
    // An existing name in between has no wildcard, even if it only has names below it (RFC 4592 2.2.2) or is the
    // wildcard itself (2.2.1: ghost.*.example). A missing name below it does not exist (3.3.1): the wildcard's owner
    // is authoritative, and the DNS plugin is not asked.
    let deepest = max(
      index.hostDepths.deepest, index.recordDepths.deepest, index.aboveDepths.deepest,
      published.depths.deepest, index.wildcardDepths.deepest + 1)
    var between = name.parent.suffix(deepest)
    while between.wire.count > place.wire.count {
      if exists(between) { return isAbove(name) ? .addresses([]) : .missing }
      between = between.parent
    }
    // The name exists without data: no wildcard applies, and the DNS plugin is not asked.
    if isAbove(name) { return .addresses([]) }
    return index.wildcards[place].flatMap { sets[$0.newest]?.wildcards[place] }
  }

  /// Whether an owner has the name, or names below it. Names matched by a zone's expression or default address are
  /// synthesised, as a wildcard's are, and do not count.
  private func exists(_ name: DNSName) -> Bool {
    index.hosts[name] != nil || index.records[name] != nil
      || published.addresses(of: name) != nil || isAbove(name)
      || name.isWildcard && index.wildcards[name.parent] != nil
  }

  /// Whether a wildcard covers names such as this one: it also covers those below it, unless this one exists.
  func isBelowWildcard(_ name: DNSName) -> Bool {
    guard index.wildcardDepths.deepest >= 0 else { return false }
    var place = name.parent
    while !place.isRoot {
      if index.wildcards[place] != nil { return true }
      place = place.parent
    }
    return false
  }

  /// The longest zone that `name` equals or lies in.
  func apex(of name: DNSName) -> DNSName? {
    guard index.zoneDepths.deepest > 0 else { return nil }
    var suffix = name.suffix(index.zoneDepths.deepest)
    while !suffix.isRoot {
      if index.zones[suffix] != nil { return suffix }
      suffix = suffix.parent
    }
    return nil
  }

  /// Whether names below it are owned: then it exists, though it may have no owner itself.
  func isAbove(_ name: DNSName) -> Bool {
    published.above.contains(name) || index.above[name] != nil
  }

  /// The plugin's answer, except an NXDOMAIN for a name above an owned one: a resolver in a guest would apply that to
  /// all names below it (RFC 8020 2).
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

  /// The SOA of a negative answer, nil for another: a name outside all zones is its own zone.
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
