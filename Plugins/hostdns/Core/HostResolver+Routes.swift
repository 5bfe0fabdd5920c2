// SPDX-License-Identifier: Apache-2.0
//
// Which way a question goes: answered here, the nameservers alone, or the nameservers and what else
// the host has.

import DNSMessage
import Platform
import PluginAPI

/// A question that is not simply the nameservers'. Loop thread.
struct Inquiry {
  let waiter: Waiter
  /// The name as getaddrinfo takes it.
  let name: String?
  var route: HostsOrder.Route
  /// Of the hosts file, when it comes behind DNS.
  var addresses: [DNSAddress] = []
  var system: HostLookup.Outcome?
  var servers: [UInt8]?
  /// Why the nameservers said nothing.
  var trouble: DNSExtendedError?
  /// The nameservers have no more to say.
  var isServed = false
  /// Waits for the nameservers, or for a thread, no longer than this.
  var timer: UInt64 = 0

  init(_ waiter: Waiter, _ name: String?, _ route: HostsOrder.Route) {
    self.waiter = waiter
    self.name = name
    self.route = route
  }

  /// Asked for addresses of one family; otherwise the system tells only whether the name is there.
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
      // The file may say otherwise of such a name, but what it does not say nobody is asked for.
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

  /// What is known of a name by its ending, and not better by the hosts file: of the reverse names
  /// of loopback addresses it may have some, whose PTR it says.
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
      // What leads to addresses is the file's to say, or to deny: a public HTTPS record would lead
      // past the address that the host's user wrote there. What else the name has DNS knows.
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
      // What getaddrinfo would misread is no name of its sources.
      if inquiry.name == nil { return forward(waiter, deadline) }
    }
    if withholdsIPv6(type) { inquiry.isServed = true }
    ask(inquiry, deadline)
  }

  /// `options no-aaaa`: DNS is not asked for IPv6 addresses, other sources are.
  private func withholdsIPv6(_ type: DNSType) -> Bool {
    type == .aaaa && settings.servers.isEmpty && files.options.noAAAA
  }

  /// Whether the host knows the name, or one below it, by the hosts file or as its own: no
  /// nameserver can then say that it does not exist (RFC 8020 2).
  func exists(_ name: DNSName) -> Bool {
    let finding = files.find(name)
    if case .addresses = finding { return true }
    if files.hostsName(ofReverse: name) != nil { return true }
    return files.isAbove(name, finding)
  }
}
