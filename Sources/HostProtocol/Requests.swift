// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's requests to a network process. Each request has an id and gets exactly one reply. Descriptors are
// sent with the message, see each case.

package enum HostRequest: Codable, Hashable, Sendable {
  /// Loads the plugins and starts the network; the first request. One
  /// descriptor: the journal (`JournalLayout`); with `NetworkSpec.tap` a last one: the TAP.
  /// Reply: nothing.
  case start(NetworkSpec)
  /// In place of `start`: a DNS plugin serves sockets of the host, without a network. Two descriptors: a bound UDP
  /// socket and a listening TCP socket. Reply: nothing.
  case serveDNS(DNSServerSpec)
  /// One descriptor: the guest's link. Reply: nothing, or error BOUNDARY when
  /// a stream of an earlier process cannot be resumed.
  case addPort(PortSpec)
  /// Of a network started with `holdsGuests`: all present guests have been added, and their frames are read from now on.
  /// Idempotent. Reply: nothing.
  case guestsAreKnown
  /// One descriptor: a bound SOCK_DGRAM socket. Its guests are reported by `guestUp`.
  case addUnixgramListener(ListenerSpec)
  /// Idempotent. Also for the guests of a listener.
  case removePort(UInt64)
  /// Renames a guest. Reply: nothing.
  case renamePort(PortName)
  case removeListener(UInt64)
  case expose(ForwardSpec)
  /// Idempotent.
  case unexpose(ForwardSpec)
  /// Reply: `json`, an array as in lnd_ext_forward.h; of a long one `part`, the first.
  case listForwards
  /// Reply: `json`, an array as in lnd_ext_lease.h; of a long one `part`, the first.
  case listLeases
  /// Reply: `part`.
  case listingPart(ListingPlace)
  /// Reply: `json`, an object as in lnd_ext_lease.h.
  case reserveLease(port: UInt64)
  /// The stations that the switch has learned. Reply: `json`, an object of Ethernet addresses and port ids
  /// (`PortSpec.id`); 0 is the plugin.
  case listStations
  /// Reply: `resolved`.
  case resolve(ResolveSpec)
  /// One descriptor: a connected stream socket, which becomes the host's end of a new
  /// connection to a guest. Reply: nothing, once the guest has accepted.
  case connect(ConnectSpec)
  /// Replaces the names of one owner. Reply: nothing.
  case setNames(NameSet)
  /// Applies other options to the running network plugin. Reply: nothing, or why they were refused; UNSUPPORTED: they
  /// apply from its next start on.
  case reconfigure(NetworkSpec)
  /// Instead of `start`: the plugins validate their options, and nothing is created. Reply: nothing, or an objection.
  case validate(NetworkSpec)
  /// A guest no longer uses what `reserveLease` returned. Reply: nothing.
  case releaseLease(port: UInt64)
  /// Replaces the DNS plugin of the running network. Reply: nothing, or why the previous one stays.
  case setDNS(DNSSpec)
  /// Reply: `json`, a `DNSCachePage`.
  case listDNSCache(DNSCacheSelection)
  /// Drops cached answers. Reply: `json`, their number.
  case flushDNSCache(DNSCacheSelection)
  /// One descriptor: receives a pcap stream; frames that do not fit are
  /// dropped and counted.
  case startCapture(CaptureSpec)
  case stopCapture(UInt64)
  /// Reply: `status`, with the first of the ports.
  case status
  /// Reply: `status` with the next ports, whose ids are higher, and nothing else.
  case statusOfPorts(after: UInt64)
  /// The host's network or resolv.conf changed. Reply: nothing.
  case networkChanged
  /// One descriptor: a file for appending, to which the output of the process and its plugins is redirected. Reply:
  /// nothing.
  case newLog
  /// Stops within 5 s, replies, exits.
  case stop
}

/// A plugin to load.
package struct PluginRef: Codable, Hashable, Sendable {
  /// Absolute path.
  package var file: String
  /// The descriptor's name inside the file.
  package var name: String
  /// SHA-256 of the file when it was inspected, hexadecimal. "" skips the check.
  package var sha256: String

  package init(file: String, name: String, sha256: String = "") {
    self.file = file
    self.name = name
    self.sha256 = sha256
  }
}

package struct NetworkSpec: Codable, Hashable, Sendable {
  package var name: String
  package var mode: String
  package var plugin: PluginRef
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  package var options: String
  package var dns: PluginRef?
  package var dnsOptions: String
  /// The chain of plugins behind `dns`, each behind the one before; nil: none.
  package var dnsBehind: [DNSStage]?
  package var dnsPolicy: DNSPolicy
  /// A folder for files of the network's plugins.
  package var stateDirectory: String
  /// The network's MTU; 0: not configured.
  package var mtu: Int
  /// The host's TAP that its plugin gets (limanetd.tap/1).
  package var tap: TapSpec?
  /// The network is connected to another daemon's: an uplink follows as a port.
  package var hasPeer: Bool
  /// Guests are on a network card of the host's: each has a macvtap, which follows as a port.
  package var hasCards: Bool
  /// The restrictions of its process; nil: none (`sandbox: off`).
  package var confinement: ConfinementSpec?
  /// Values of secret options (`writeOnly`), masked in all output of the plugins.
  package var secrets: [String]?
  /// Of each guest's link; nil: none.
  package var limits: LinkLimits?
  /// Of a switched network; nil: none.
  package var portSecurity: PortSecuritySpec?
  /// No guest's frames are read before `guestsAreKnown`: the plugin would take the first of several for the only one.
  package var holdsGuests: Bool?

  package init(
    name: String, mode: String, plugin: PluginRef, options: String = "{}",
    dns: PluginRef? = nil, dnsOptions: String = "{}", dnsPolicy: DNSPolicy = DNSPolicy(),
    stateDirectory: String = "", mtu: Int = 0, tap: TapSpec? = nil, hasPeer: Bool = false,
    hasCards: Bool = false,
    confinement: ConfinementSpec? = nil
  ) {
    self.name = name
    self.mode = mode
    self.plugin = plugin
    self.options = options
    self.dns = dns
    self.dnsOptions = dnsOptions
    self.dnsPolicy = dnsPolicy
    self.stateDirectory = stateDirectory
    self.mtu = mtu
    self.tap = tap
    self.hasPeer = hasPeer
    self.confinement = confinement
    self.hasCards = hasCards
  }
}

/// A TAP device of the host, whose descriptor is sent with the request.
package struct TapSpec: Codable, Hashable, Sendable {
  /// Name of the interface.
  package var name: String
  /// "02:01:d6:9e:a4:01"
  package var mac: String
  /// MTU, bytes of IP packet.
  package var mtu: Int
  /// A 12-byte virtio-net header and its offloads.
  package var vnetHeader: Bool
  /// False: the reader of sent frames accepts neither GSO frames nor partial checksums, whatever the header could
  /// express.
  package var takesOffloads = true

  package init(name: String, mac: String, mtu: Int, vnetHeader: Bool) {
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.vnetHeader = vnetHeader
  }
}

package enum PortTransport: String, Codable, Hashable, Sendable {
  /// A TAP device with IFF_NO_PI.
  case tap
  /// SOCK_STREAM, each frame behind its length in 4 bytes, big-endian (QEMU).
  case stream
  /// The same with a length of 2 bytes, little-endian (HyperKit, gvproxy's /connect).
  case hyperkit
  /// SOCK_DGRAM, connected, one frame per datagram.
  case dgram

  /// Frames in a byte stream, whose boundaries the journal records.
  package var isStream: Bool { self == .stream || self == .hyperkit }
}

/// A guest's name, by the id of its port.
package struct PortName: Codable, Hashable, Sendable {
  /// `PortSpec.id`, or that of a listener's guest.
  package var id: UInt64
  package var name: String

  package init(id: UInt64, name: String) {
    self.id = id
    self.name = name
  }
}

package struct PortSpec: Codable, Hashable, Sendable {
  /// The supervisor's id of the guest, unique in the network.
  package var id: UInt64
  package var transport: PortTransport
  /// The guest's name, or "".
  package var name: String
  /// "52:55:55:12:34:56" when known.
  package var mac: String?
  /// MTU, bytes of IP packet; 0: unknown.
  package var mtu: Int
  /// TAP with a 12-byte virtio-net header and its offloads.
  package var vnetHeader: Bool
  /// The guest's slot in the journal, or -1.
  package var journalSlot: Int
  /// Was served by a process that died.
  package var resumed: Bool
  /// Not a guest but the uplink to another daemon's network: a port of the switch that the plugin does not see.
  package var isUplink: Bool
  /// For an uplink that is one guest's macvtap and no port of the switch: the guest; `mac` is the address it was
  /// created with.
  package var guest: UInt64?

  package init(
    id: UInt64, transport: PortTransport, name: String = "", mac: String? = nil, mtu: Int = 0,
    vnetHeader: Bool = false, journalSlot: Int = -1, resumed: Bool = false, isUplink: Bool = false,
    guest: UInt64? = nil
  ) {
    self.id = id
    self.transport = transport
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.vnetHeader = vnetHeader
    self.journalSlot = journalSlot
    self.resumed = resumed
    self.isUplink = isUplink
    self.guest = guest
  }
}

package struct ListenerSpec: Codable, Hashable, Sendable {
  package var id: UInt64
  /// Addresses of guests that an earlier process knew (`guestUp`): they are added before their first frame, because a
  /// guest may be silent.
  package var guests: [String]

  package init(id: UInt64, guests: [String] = []) {
    self.id = id
    self.guests = guests
  }
}

package struct ForwardSpec: Codable, Hashable, Sendable {
  package enum Transport: String, Codable, Hashable, Sendable {
    case tcp
    case udp
    case unix
  }

  package var `protocol`: Transport
  /// "127.0.0.1:8080", "[::1]:8080", or an absolute path.
  package var host: String
  /// "192.168.5.15:80"; not needed in `unexpose`.
  package var guest: String?
  /// Which guest of an isolated network; "" or nil: the first.
  package var guestName: String?
  /// The address under which the guest sees clients; nil: the network's option.
  package var source: Source?

  package enum Source: String, Codable, Hashable, Sendable {
    case client
    case gateway
  }

  package init(
    protocol: Transport, host: String, guest: String? = nil, guestName: String? = nil,
    source: Source? = nil
  ) {
    self.protocol = `protocol`
    self.host = host
    self.guest = guest
    self.guestName = guestName
    self.source = source
  }
}

package struct ResolveSpec: Codable, Hashable, Sendable {
  /// The query, a complete DNS message, in base 64.
  package var message: String
  /// For logs.
  package var name: String
  package var type: String
  /// The client uses UDP: a large answer is truncated. Nil: false.
  package var isDatagram: Bool?

  package init(
    message: String, name: String = "", type: String = "", isDatagram: Bool? = nil
  ) {
    self.message = message
    self.name = name
    self.type = type
    self.isDatagram = isDatagram
  }
}

package struct CaptureSpec: Codable, Hashable, Sendable {
  package var id: UInt64
  /// Bytes kept of each frame.
  package var snapLength: Int

  package init(id: UInt64, snapLength: Int = 262_144) {
    self.id = id
    self.snapLength = snapLength
  }
}
