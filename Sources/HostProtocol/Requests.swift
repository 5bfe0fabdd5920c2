// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor asks of a network's process. Each request has an id and
// gets exactly one reply. Descriptors travel beside the message, see each case.

package enum HostRequest: Codable, Hashable, Sendable {
  /// Loads the plugins and starts the network; the first request. One
  /// descriptor: the journal (`JournalLayout`); with `NetworkSpec.tap` a last one: the TAP.
  /// Reply: nothing.
  case start(NetworkSpec)
  /// Instead of `start`: a DNS plugin serves sockets of the host, and there is no network. Two
  /// descriptors: a bound UDP socket and a listening TCP socket. Reply: nothing.
  case serveDNS(DNSServerSpec)
  /// One descriptor: the guest's link. Reply: nothing, or error BOUNDARY when
  /// a held-over stream cannot be resumed.
  case addPort(PortSpec)
  /// All guests that there are have come, of a network that was started with `holdsGuests`: from now on their frames are
  /// read. Idempotent. Reply: nothing.
  case guestsAreKnown
  /// One descriptor: a bound SOCK_DGRAM socket. Its guests come as `guestUp`.
  case addUnixgramListener(ListenerSpec)
  /// Idempotent. Also for the guests of a listener.
  case removePort(UInt64)
  /// A guest has another name from now on. Reply: nothing.
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
  /// Where the switch has learned Ethernet addresses. Reply: `json`, an object of addresses and
  /// ports' numbers (`PortSpec.id`); 0 is the plugin.
  case listStations
  /// Reply: `resolved`.
  case resolve(ResolveSpec)
  /// One descriptor: a connected stream socket, which becomes the host's end of a new
  /// connection to a guest. Reply: nothing, once the guest has accepted.
  case connect(ConnectSpec)
  /// Replaces the names of one owner. Reply: nothing.
  case setNames(NameSet)
  /// Has other options hold for the network's plugin while it runs. Reply: nothing, or why they do not; UNSUPPORTED: from
  /// its next start on.
  case reconfigure(NetworkSpec)
  /// Instead of `start`: has the plugins look at their options, and makes nothing. Reply: nothing, or what one refuses.
  case validate(NetworkSpec)
  /// A guest does not use what `reserveLease` gave it any more. Reply: nothing.
  case releaseLease(port: UInt64)
  /// Replaces the DNS plugin while the network goes on. Reply: nothing, or why the one before
  /// stays.
  case setDNS(DNSSpec)
  /// Reply: `json`, a `DNSCachePage`.
  case listDNSCache(DNSCacheSelection)
  /// Forgets the answers kept. Reply: `json`, how many they were.
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
  /// One descriptor: a file for appending, which takes from now on what the process and its plugins print. Reply: nothing.
  case newLog
  /// Winds down within 5 s, replies, exits.
  case stop
}

/// A plugin to load.
package struct PluginRef: Codable, Hashable, Sendable {
  /// Absolute path.
  package var file: String
  /// The descriptor's name inside the file.
  package var name: String
  /// Hexadecimal, of the file when it was inspected. "" skips the check.
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
  /// Those behind `dns`, each the one behind it; nil: none.
  package var dnsBehind: [DNSStage]?
  package var dnsPolicy: DNSPolicy
  /// A folder the network's plugins may keep files in.
  package var stateDirectory: String
  /// The switch's; 0 when not configured.
  package var mtu: Int
  /// What its plugin is given of the host (limanetd.tap/1).
  package var tap: TapSpec?
  /// The supervisor connects it to another daemon instead: an uplink comes as a port.
  package var hasPeer: Bool
  /// Guests are on a network card of the host's: each has an uplink of its own, which comes as a port.
  package var hasCards: Bool
  /// What its process may do; nil: everything (`sandbox: off`).
  package var confinement: ConfinementSpec?
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

/// A TAP device of the host, whose descriptor comes beside it.
package struct TapSpec: Codable, Hashable, Sendable {
  /// Of the interface.
  package var name: String
  /// "02:01:d6:9e:a4:01"
  package var mac: String
  /// Bytes of IP packet.
  package var mtu: Int
  /// A 12-byte virtio-net header and its offloads.
  package var vnetHeader: Bool
  /// False: whoever takes our frames wants them whole, whatever the header could say.
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
  /// SOCK_DGRAM, connected, a frame a datagram.
  case dgram

  /// Frames in a stream of bytes, whose boundaries the journal keeps.
  package var isStream: Bool { self == .stream || self == .hyperkit }
}

/// A guest's name, by the number of its port.
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
  /// The supervisor's number of the guest, unique in the network.
  package var id: UInt64
  package var transport: PortTransport
  /// The guest's, or "".
  package var name: String
  /// "52:55:55:12:34:56" when known.
  package var mac: String?
  /// Bytes of IP packet; 0: not known.
  package var mtu: Int
  /// TAP with a 12-byte virtio-net header and its offloads.
  package var vnetHeader: Bool
  /// The guest's slot in the journal, or -1.
  package var journalSlot: Int
  /// Held over from a process that died.
  package var resumed: Bool
  /// No guest, but the way to another daemon's network: a port of the switch that the plugin does not see.
  package var isUplink: Bool
  /// Of an uplink: the guest whose own it is, and no port of the switch; `mac` is what the macvtap was made with.
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
  /// Addresses of guests a process before this one knew (`guestUp`): they are let
  /// in before they speak, because a guest may have nothing to say.
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
  /// Under which address the guest sees clients; nil: as the network's options say.
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
  /// The query, a whole DNS message, in base 64.
  package var message: String
  /// For logs.
  package var name: String
  package var type: String
  /// The client asks over UDP: an answer too large for it is cut. Nil is false.
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
