// SPDX-License-Identifier: Apache-2.0
//
// Requests about names and DNS of a running network, and about connections to its guests.

/// A connection to a guest, whose other end the supervisor keeps.
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

/// The names of one owner (the configuration, an instance, a client of the control API) that the network answers
/// itself. They are owned: types without data get NODATA, and no query for them leaves the machine.
package struct NameSet: Codable, Hashable, Sendable {
  /// A later set of the same owner replaces this one; an empty one withdraws it.
  package var owner: String
  /// Absolute names, without the final dot, each with its addresses or with the one name it is an alias of; a name
  /// without either is only reserved.
  package var hosts: [String: [String]]
  /// Whole suffixes, with the semantics of gvproxy's API.
  package var zones: [NameZone]

  package init(owner: String, hosts: [String: [String]] = [:], zones: [NameZone] = []) {
    self.owner = owner
    self.hosts = hosts
    self.zones = zones
  }
}

/// A suffix whose names are answered here: by a record, else with the default address, else NXDOMAIN.
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
  /// The first match answers.
  package var records: [Record]
  package var defaultAddress: String?

  package init(name: String, records: [Record] = [], defaultAddress: String? = nil) {
    self.name = name
    self.records = records
    self.defaultAddress = defaultAddress
  }
}

/// A DNS plugin behind others in the chain (limanetd.dns-next/1).
package struct DNSStage: Codable, Hashable, Sendable {
  package var plugin: PluginRef
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  package var options: String

  package init(plugin: PluginRef, options: String = "{}") {
    self.plugin = plugin
    self.options = options
  }
}

/// The DNS plugin of a network.
package struct DNSSpec: Codable, Hashable, Sendable {
  package var plugin: PluginRef
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  package var options: String
  package var policy: DNSPolicy
  /// Folders and files that it must be able to read.
  package var readable: [String]?
  /// The chain of plugins behind it, each behind the one before; nil: none.
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

/// Rules for a network's names with any plugin.
package struct DNSPolicy: Codable, Hashable, Sendable {
  /// Whether names have IPv6 addresses; otherwise AAAA questions get NODATA.
  package var ipv6: Bool
  /// Whether only names of the network itself are answered; all other questions are refused.
  package var localOnly: Bool

  package init(ipv6: Bool = true, localOnly: Bool = false) {
    self.ipv6 = ipv6
    self.localOnly = localOnly
  }
}

/// A cached answer of a network, as `listDNSCache` returns it.
package struct DNSCacheEntry: Codable, Hashable, Sendable {
  /// Without the final dot, in lower case.
  package var name: String
  /// "A", "TYPE65280"
  package var type: String
  /// "IN"
  package var `class`: String
  /// "ad cd do": the bits set in the question; usually "".
  package var flags: String
  /// "NOERROR" or "NXDOMAIN"
  package var code: String
  /// Number of answer records; 0 for NODATA and NXDOMAIN.
  package var answers: Int
  /// Remaining seconds.
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

/// A part of the cache listing, so that neither side is busy with the whole cache at once.
package struct DNSCachePage: Codable, Hashable, Sendable {
  package var entries: [DNSCacheEntry]
  /// The place of the next part (`DNSCacheSelection.from`); nil: this was the last.
  package var next: Int?

  package init(entries: [DNSCacheEntry], next: Int?) {
    self.entries = entries
    self.next = next
  }
}

/// Selects cached answers.
package struct DNSCacheSelection: Codable, Hashable, Sendable {
  /// Only those of this name; nil: all.
  package var name: String?
  /// And of all names below it.
  package var below: Bool
  /// Start of the listing: `DNSCachePage.next` of the previous part.
  package var from: Int

  package init(name: String? = nil, below: Bool = false, from: Int = 0) {
    self.name = name
    self.below = below
    self.from = from
  }
}

/// A DNS plugin that serves sockets of the host.
package struct DNSServerSpec: Codable, Hashable, Sendable {
  /// The network name that the plugin gets.
  package var name: String
  package var dns: DNSSpec
  /// The restrictions of its process; nil: none.
  package var confinement: ConfinementSpec?

  package init(name: String, dns: DNSSpec, confinement: ConfinementSpec? = nil) {
    self.confinement = confinement
    self.name = name
    self.dns = dns
  }
}
