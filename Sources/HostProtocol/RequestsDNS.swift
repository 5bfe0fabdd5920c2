// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor says about names and DNS of a running network, and about connections to
// its guests.

/// A connection to a guest, whose other end the supervisor holds.
package struct ConnectSpec: Codable, Hashable, Sendable {
  /// "192.168.104.3:22"
  package var guest: String
  /// Which guest of an isolated network; "" or nil: the first.
  package var guestName: String?

  package init(guest: String, guestName: String? = nil) {
    self.guest = guest
    self.guestName = guestName
  }
}

/// The names that one owner (the configuration, an instance, a client of the control API) has the
/// network answer by itself. They are owned: types that are not here get NODATA, and nothing about
/// them leaves the machine.
package struct NameSet: Codable, Hashable, Sendable {
  /// A later set of the same owner replaces this one; an empty one withdraws it.
  package var owner: String
  /// Absolute names, without the final dot, each with its addresses or the one name it is an
  /// alias of; without either it is only kept from whoever would publish it.
  package var hosts: [String: [String]]
  /// Whole suffixes, as gvproxy's API has them.
  package var zones: [NameZone]

  package init(owner: String, hosts: [String: [String]] = [:], zones: [NameZone] = []) {
    self.owner = owner
    self.hosts = hosts
    self.zones = zones
  }
}

/// A suffix whose names are answered here: by a record, else with the default address, else
/// NXDOMAIN.
package struct NameZone: Codable, Hashable, Sendable {
  package struct Record: Codable, Hashable, Sendable {
    /// Relative to the zone, compared without case.
    package var name: String
    package var address: String
    /// A regular expression (docs/patterns.md), matched against the relative name without case; then `name` is "".
    package var pattern: String?

    package init(name: String, address: String, pattern: String? = nil) {
      self.name = name
      self.address = address
      self.pattern = pattern
    }
  }

  /// With or without the final dot.
  package var name: String
  /// The first that fits answers.
  package var records: [Record]
  package var defaultAddress: String?

  package init(name: String, records: [Record] = [], defaultAddress: String? = nil) {
    self.name = name
    self.records = records
    self.defaultAddress = defaultAddress
  }
}

/// A DNS plugin that stands behind others (limanetd.dns-next/1).
package struct DNSStage: Codable, Hashable, Sendable {
  package var plugin: PluginRef
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  package var options: String

  package init(plugin: PluginRef, options: String = "{}") {
    self.plugin = plugin
    self.options = options
  }
}

/// Which plugin answers a network's questions.
package struct DNSSpec: Codable, Hashable, Sendable {
  package var plugin: PluginRef
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  package var options: String
  package var policy: DNSPolicy
  /// Folders and files that it has to read.
  package var readable: [String]?
  /// Those that it may ask, each the one behind it; nil: none.
  package var behind: [DNSStage]?
  /// As of `NetworkSpec`.
  package var secrets: [String]?

  package init(
    plugin: PluginRef, options: String = "{}", policy: DNSPolicy = DNSPolicy(),
    readable: [String]? = nil, behind: [DNSStage]? = nil
  ) {
    self.behind = behind
    self.readable = readable
    self.plugin = plugin
    self.options = options
    self.policy = policy
  }
}

/// What holds for a network's names whichever plugin answers.
package struct DNSPolicy: Codable, Hashable, Sendable {
  /// Whether names have IPv6 addresses; otherwise AAAA questions get NODATA.
  package var ipv6: Bool

  package init(ipv6: Bool = true) {
    self.ipv6 = ipv6
  }
}

/// An answer that a network keeps, as `listDNSCache` tells it.
package struct DNSCacheEntry: Codable, Hashable, Sendable {
  /// Without the final dot, in lower case.
  package var name: String
  /// "A", "TYPE65280"
  package var type: String
  /// "IN"
  package var `class`: String
  /// "ad cd do": those bits of the question that were set; "" for most.
  package var flags: String
  /// "NOERROR" or "NXDOMAIN"
  package var code: String
  /// Records that answer; 0 for NODATA and NXDOMAIN.
  package var answers: Int
  /// Seconds until it is forgotten.
  package var ttl: UInt64
  /// Octets of its records.
  package var octets: Int

  package init(
    name: String, type: String, class: String, flags: String, code: String, answers: Int,
    ttl: UInt64, octets: Int
  ) {
    self.name = name
    self.type = type
    self.class = `class`
    self.flags = flags
    self.code = code
    self.answers = answers
    self.ttl = ttl
    self.octets = octets
  }
}

/// A part of what a network keeps, so that neither side is busy with all of it at once.
package struct DNSCachePage: Codable, Hashable, Sendable {
  package var entries: [DNSCacheEntry]
  /// Where the next part begins (`DNSCacheSelection.from`); nil: this was the last.
  package var next: Int?

  package init(entries: [DNSCacheEntry], next: Int?) {
    self.entries = entries
    self.next = next
  }
}

/// Which of the answers kept.
package struct DNSCacheSelection: Codable, Hashable, Sendable {
  /// Only those of this name; nil: all.
  package var name: String?
  /// And of all names below it.
  package var below: Bool
  /// Listed from here on: `DNSCachePage.next` of the part before.
  package var from: Int

  package init(name: String? = nil, below: Bool = false, from: Int = 0) {
    self.name = name
    self.below = below
    self.from = from
  }
}

/// A DNS plugin that serves sockets of the host.
package struct DNSServerSpec: Codable, Hashable, Sendable {
  /// What the plugin gets for the name of its network.
  package var name: String
  package var dns: DNSSpec
  /// What its process may do; nil: everything.
  package var confinement: ConfinementSpec?

  package init(name: String, dns: DNSSpec, confinement: ConfinementSpec? = nil) {
    self.confinement = confinement
    self.name = name
    self.dns = dns
  }
}
