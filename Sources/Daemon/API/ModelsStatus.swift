// SPDX-License-Identifier: Apache-2.0
//
// Reports about the daemon and its networks (GET /v1/status, /v1/networks, /v1/networks/NAME). Members are added, but never
// renamed, as scripts use them. Times are ISO 8601 in UTC.

/// GET /v1/status
package struct StatusReport: Codable, Sendable {
  package var version: String
  package var pid: Int32
  /// The Lima home that the daemon serves.
  package var home: String
  package var started: String
  package var config: ConfigReport
  /// From `--plugin-dir`, in order.
  package var pluginDirectories: [String]
  package var builtinPluginDirectory: String
  package var networks: [NetworkReport]
  /// Warnings: a shadowed plugin, a file that was refused.
  package var warnings: [String]
  /// Conflicts of guests from the networks' logs.
  package var notes: [NetworkNote]?
}

/// GET /v1/alive: answered by the loop that serves the networks.
package struct AliveReport: Codable, Sendable {
  package var pid: Int32
}

/// The source of the configuration, and the error of the last attempt to read it.
package struct ConfigReport: Codable, Sendable {
  package var file: String
  /// False: the file does not exist, and the built-in networks are used.
  package var present: Bool
  package var loaded: String
  /// Set if the file was read again and refused: the previous configuration is in effect.
  package var error: String?
}

/// The phase of a network in reports; NetworkState has the data of each phase.
package enum NetworkPhase: String, Codable, Sendable {
  /// It listens on its sockets, without a process. The first guest starts one.
  case stopped
  case starting
  case running
  /// Its process died; it is started again at `retryAt`.
  case restarting
  case stopping
  /// It cannot start, with the reason in `error`. It is retried for a guest that connects, by `network start`, and when the
  /// configuration is read again.
  case failed
}

/// GET /v1/networks returns an array of these, GET /v1/networks/NAME one with `live` set.
package struct NetworkReport: Codable, Sendable {
  package var name: String
  package var mode: String
  /// "networks.yaml" or "built-in".
  package var source: String
  package var state: NetworkPhase
  /// The configured settings differ from the running process's: they take effect at the next start.
  package var changed: Bool
  package var error: ErrorReport?
  /// The files that its process has loaded, or will load.
  package var plugin: PluginIdentity?
  package var dns: PluginIdentity?
  /// Validated options with defaults filled in; without defaults if the plugin is not available.
  package var options: JSONValue?
  package var sockets: NetworkSockets
  package var log: String
  package var guests: [GuestReport]
  package var forwards: [Forward]
  /// The running network process.
  package var host: HostReport?
  /// Number of restarts after a crash since the daemon runs.
  package var restarts: Int
  package var retryAt: String?
  package var lastExit: ExitReport?
  /// The connection to another daemon's network; nil if it has none.
  package var uplink: UplinkReport?
  /// The interface on the host of a running network of mode shared, host or bridged; nil for others.
  package var hostInterface: HostInterfaceReport?
  /// The bridge of Lima's own helper that it has joined, whose DHCP and DNS its guests use; nil if none.
  package var joined: String?
  /// The IPv6 network of its guests, as far as it is known: a network at rest may choose one at its first start.
  package var ipv6: IPv6Report?
  /// Its process makes no progress; nil: it does, or has not run into it for two seconds yet.
  package var unresponsive: UnresponsiveReport?
  /// As whom its process runs or will run; nil: as the daemon does.
  package var user: String?
  /// "strict", "off"; nil: as networks are without `sandbox:`.
  package var sandbox: String?
  /// What plugins of a running network say of themselves (`lnd_host.report`); without those that say nothing.
  package var pluginStates: [PluginStateReport]?
  /// The report of the network process: ports with counters, the plugin's status, DNS counters.
  package var live: JSONValue?
}

package struct IPv6Report: Codable, Sendable, Hashable {
  /// "fd12:3456:789a::/64"
  package var network: String
  /// Nil: not known before it runs.
  package var gateway: String?
}

/// A process whose loop stands still. It is replaced after the network's `watchdog:`.
package struct UnresponsiveReport: Codable, Sendable, Hashable {
  /// Duration in seconds.
  package var seconds: Int
  /// "rx of network plugin slirp", "stopped by a signal"; nil if unknown.
  package var place: String?

  /// "not responding (rx of network plugin slirp, 3 s)"
  package var text: String {
    "not responding (" + (place.map { "\($0), " } ?? "") + "\(seconds) s)"
  }
}

/// The interface through which a network's guests reach the host or the LAN.
package struct HostInterfaceReport: Codable, Sendable, Hashable {
  package enum Kind: String, Codable, Sendable {
    /// One TAP for all guests.
    case tap
    /// A macvtap for each guest, on the network card `name`.
    case macvtap
  }

  package var kind: Kind
  /// The kernel's present name.
  package var name: String
  /// The bridge of a TAP; nil: the TAP has the network's gateway address.
  package var bridge: String?
  /// What cannot be reached through it, and the alternative.
  package var limits: String?
}

/// The connection to socket_vmnet or another daemon, through which a network's guests reach other networks.
package struct UplinkReport: Codable, Sendable, Hashable {
  package enum State: String, Codable, Sendable {
    /// Not connected; it is retried.
    case connecting
    case connected
  }

  package var socket: String
  package var state: State
  /// Why it is not connected, or why the previous connection ended.
  package var error: String?
  /// The time of the connection.
  package var since: String?
  /// Number of connections made, and of those that ended.
  package var connections: UInt64
  package var lost: UInt64
}

/// The state reported by a plugin.
package struct PluginStateReport: Codable, Sendable, Hashable {
  /// "network" or "dns"
  package var kind: String
  package var plugin: String
  /// "ok", "connecting", "degraded" or "failed"
  package var state: String
  /// One line, or "".
  package var text: String
}

package struct PluginIdentity: Codable, Sendable, Hashable {
  package var name: String
  /// Path of the file.
  package var path: String
  package var id: String
  package var version: String
  package var sha256: String
}

package struct NetworkSockets: Codable, Sendable, Hashable {
  /// SOCK_STREAM, QEMU framing.
  package var qemu: String
  /// SOCK_STREAM, receives a datagram socket by SCM_RIGHTS (Lima's VZ driver).
  package var fd: String
  /// SOCK_DGRAM (vfkit, krunkit).
  package var unixgram: String
  /// SOCK_STREAM, gvproxy's HTTP API.
  package var endpoint: String
}

package struct HostReport: Codable, Sendable {
  package var pid: Int32
  package var since: String
}

package struct GuestReport: Codable, Sendable {
  package var id: UInt64
  /// Given by the guest's owner, or derived from transport and number.
  package var name: String
  /// "tap", "stream", "dgram" or "unixgram".
  package var transport: String
  package var mac: String?
  package var since: String
}

/// The unexpected end of a network process.
package struct ExitReport: Codable, Sendable {
  package var time: String
  /// "killed by SIGSEGV", "exit status 1", "hung at stop".
  package var reason: String
  /// The last lines of the network's log.
  package var log: [String]
  package var plugin: PluginIdentity?
  package var dns: PluginIdentity?
}
