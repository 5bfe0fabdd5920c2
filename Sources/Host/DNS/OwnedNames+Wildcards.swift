// SPDX-License-Identifier: Apache-2.0
//
// Hosts that are wildcards, "*.dev.internal"; names above owned ones; the zone that a negative answer
// tells of.

import DNSMessage

extension OwnedNames {
  /// The wildcard that stands in for a name that nobody has: that of the nearest name above which
  /// there is (RFC 4592 3.3.1). A zone that lies closer to the name goes before it.
  func wildcard(_ name: DNSName) -> OwnedNameSet.Entry? {
    guard index.wildcardDepths.deepest >= 0 else { return nil }
    var place = name.parent.suffix(index.wildcardDepths.deepest)
    while index.wildcards[place] == nil {
      if place.isRoot { return nil }
      place = place.parent
    }
    if let zone = apex(of: name), zone.wire.count > place.wire.count { return nil }
    // A name in between that is there has no wildcard, also where it only has names below it
    // (RFC 4592 2.2.2), and also if it is the wildcard itself (2.2.1: ghost.*.example). What is below it and not
    // there does not exist (3.3.1): all of it is the wildcard's owner's, and nobody else is asked.
    let deepest = max(
      index.hostDepths.deepest, index.recordDepths.deepest, index.aboveDepths.deepest,
      published.depths.deepest, index.wildcardDepths.deepest + 1)
    var between = name.parent.suffix(deepest)
    while between.wire.count > place.wire.count {
      if exists(between) { return isAbove(name) ? .addresses([]) : .missing }
      between = between.parent
    }
    // Itself is there, without data: nothing stands in for it, and nobody else is asked.
    if isAbove(name) { return .addresses([]) }
    return index.wildcards[place].flatMap { sets[$0.newest]?.wildcards[place] }
  }

  /// Whether an owner has the name, or names below it. One that a zone's expression or default address would answer is made
  /// for the question, as a wildcard's is, and is not there otherwise.
  private func exists(_ name: DNSName) -> Bool {
    index.hosts[name] != nil || index.records[name] != nil
      || published.addresses(of: name) != nil || isAbove(name)
      || name.isWildcard && index.wildcards[name.parent] != nil
  }

  /// Whether there is a wildcard for names like this one: it is for those below it, too, unless this
  /// one is there.
  func isBelowWildcard(_ name: DNSName) -> Bool {
    guard index.wildcardDepths.deepest >= 0 else { return false }
    var place = name.parent
    while !place.isRoot {
      if index.wildcards[place] != nil { return true }
      place = place.parent
    }
    return false
  }

  /// The zone with the longest name that `name` is or lies in.
  func apex(of name: DNSName) -> DNSName? {
    guard index.zoneDepths.deepest > 0 else { return nil }
    var suffix = name.suffix(index.zoneDepths.deepest)
    while !suffix.isRoot {
      if index.zones[suffix] != nil { return suffix }
      suffix = suffix.parent
    }
    return nil
  }

  /// Whether names below it are owned: then it exists, though it may be somebody else's.
  func isAbove(_ name: DNSName) -> Bool {
    published.above.contains(name) || index.above[name] != nil
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
