// SPDX-License-Identifier: Apache-2.0
//
// The route of a query: answered here, sent to the nameservers alone, or to the nameservers and the host's other
// sources.

import DNSMessage
import Platform
import PluginAPI

/// A query for which the nameservers are not the only source. Loop thread.
struct Inquiry {
  let waiter: Waiter
  /// The name in getaddrinfo's form.
  let name: String?
  var route: HostsOrder.Route
  /// From the hosts file, when that comes after DNS.
  var addresses: [DNSAddress] = []
  var system: HostLookup.Outcome?
  var servers: [UInt8]?
  /// Why the nameservers gave no answer.
  var trouble: DNSExtendedError?
  /// The nameservers' part has ended.
  var isServed = false
  /// Limits the wait for the nameservers, or for a thread.
  var timer: UInt64 = 0

  init(_ waiter: Waiter, _ name: String?, _ route: HostsOrder.Route) {
    self.waiter = waiter
    self.name = name
    self.route = route
  }

  /// Asks for addresses of one family; for other queries the system only reports whether the name exists.
  var isAddress: Bool { family != .any }

  var family: HostLookup.Family {
    switch waiter.question.question.type {
    case .a: .v4
    case .aaaa: .v6
    default: .any
    }
  }
}

extension HostResolver {
  func route(_ waiter: Waiter, _ deadline: UInt64) {
    let question = waiter.question
    let asked = question.question
    guard asked.dnsClass == .internet else {
      guard let special = DNSSpecialName(asked.name) else { return forward(waiter, deadline) }
      return answer(waiter, question.answer(special, ipv6: settings.ipv6))
    }
    if asked.type == .aaaa, !settings.ipv6 {
      return answer(waiter, question.answer(.noError, denialTTL: DNSMessage.withheldTTL))
    }
    let finding = followsHost ? files.find(asked.name) : .missing
    if case .addresses(let addresses) = finding {
      // The hosts file may have such a name; otherwise no other source is asked.
      if DNSSpecialName(asked.name)?.staysHere == true {
        return answer(
          waiter,
          Verdict.addresses(question, addresses, timeToLive: settings.timeToLive))
      }
    } else if let special = special(asked, finding) {
      return answer(waiter, question.answer(special, ipv6: settings.ipv6))
    }
    guard followsHost else {
      if withholdsIPv6(asked.type) {
        return answer(waiter, question.answer(.noError, denialTTL: DNSMessage.withheldTTL))
      }
      return forward(waiter, deadline)
    }
    if asked.type == .ptr, let name = files.hostsName(ofReverse: asked.name) {
      let record = DNSRecord(name: asked.name, ttl: settings.timeToLive, data: .name(.ptr, name))
      return answer(waiter, question.answer(.noError, [record]))
    }
    find(waiter, finding, deadline)
  }

  /// The special name, unless the hosts file has the name: it may have some of the reverse names of loopback
  /// addresses, and then gives their PTR.
  private func special(_ asked: DNSQuestion, _ finding: HostsFile.Finding) -> DNSSpecialName? {
    guard let special = DNSSpecialName(asked.name) else { return nil }
    if followsHost, asked.type == .ptr, case .reverse = special,
      files.hostsName(ofReverse: asked.name) != nil
    {
      return nil
    }
    return special
  }

  private func find(_ waiter: Waiter, _ finding: HostsFile.Finding, _ deadline: UInt64) {
    let type = waiter.question.question.type
    var inquiry = Inquiry(
      waiter, waiter.question.question.name.nativeName,
      files.route(waiter.question.question.name, finding))
    if case .addresses(let addresses) = finding { inquiry.addresses = addresses }
    switch inquiry.route {
    case .file:
      // Types that lead to addresses are answered, or denied, by the hosts file: a public HTTPS record would bypass
      // the address that the host's user wrote there. Other types of the name are left to DNS.
      switch type {
      case .a, .aaaa, .any, .https, .svcb, .cname:
        return answer(
          waiter,
          Verdict.addresses(
            waiter.question, inquiry.addresses, timeToLive: settings.timeToLive))
      default: return forward(waiter, deadline)
      }
    case .dns where !withholdsIPv6(type): return forward(waiter, deadline)
    case .dns:
      return answer(
        waiter, waiter.question.answer(.noError, denialTTL: DNSMessage.withheldTTL))
    case .dnsThenFile: break
    case .dnsThenSystem, .system:
      // A name that getaddrinfo would misread is in none of its sources.
      if inquiry.name == nil { return forward(waiter, deadline) }
    }
    if withholdsIPv6(type) { inquiry.isServed = true }
    ask(inquiry, deadline)
  }

  /// `options no-aaaa`: DNS is not queried for IPv6 addresses, other sources are.
  private func withholdsIPv6(_ type: DNSType) -> Bool {
    type == .aaaa && settings.servers.isEmpty && files.options.noAAAA
  }

  /// Whether the host knows the name, or one below it, from the hosts file or as its own: a nameserver's NXDOMAIN
  /// does not apply then (RFC 8020 2).
  func exists(_ name: DNSName) -> Bool {
    let finding = files.find(name)
    if case .addresses = finding { return true }
    if files.hostsName(ofReverse: name) != nil { return true }
    return files.isAbove(name, finding)
  }
}
