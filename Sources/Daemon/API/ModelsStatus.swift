// SPDX-License-Identifier: Apache-2.0
//
// What the control API says about the daemon and its networks (GET /v1/status, /v1/networks, /v1/networks/NAME).
// Fields are only added, never renamed: scripts read them. Times are ISO 8601 in UTC.

/// GET /v1/status
package struct StatusReport: Codable, Sendable {
  package var version: String
  package var pid: Int32
  /// The Lima home this daemon serves.
  package var home: String
  package var started: String
  package var config: ConfigReport
  /// As given by `--plugin-dir`, in order.
  package var pluginDirectories: [String]
  package var builtinPluginDirectory: String
  package var networks: [NetworkReport]
  /// What the user should know though nothing failed: a shadowed plugin, a file that was refused.
  package var warnings: [String]
  /// Conflicts of guests that the networks' logs know of.
  package var notes: [NetworkNote]?
}

/// GET /v1/alive: the loop that serves the networks has turns.
package struct AliveReport: Codable, Sendable {
  package var pid: Int32
}

/// Where the configuration came from and whether the last attempt to read it failed.
package struct ConfigReport: Codable, Sendable {
  package var file: String
  /// False: there is no such file, the built-in networks are used.
  package var present: Bool
  package var loaded: String
  /// Set when the file was reread and refused: the configuration in force is the one before.
  package var error: String?
}

/// What a network does, as its reports say it; what it has meanwhile is in NetworkState.
package enum NetworkPhase: String, Codable, Sendable {
  /// Sockets listen; no process runs. The first guest starts it.
  case stopped
  case starting
  case running
  /// Its process died; it is started again at `retryAt`.
  case restarting
  case stopping
  /// It cannot start: `error` says why. A guest that connects, `network start` and a reread of the
  /// configuration try again.
  case failed
}

/// GET /v1/networks is an array of these, GET /v1/networks/NAME one with `live` set.
package struct NetworkReport: Codable, Sendable {
  package var name: String
  package var mode: String
  /// "networks.yaml" or "built-in".
  package var source: String
  package var state: NetworkPhase
  /// The configuration has other settings than the running process: they hold from the next start.
  package var changed: Bool
  package var error: ErrorReport?
  /// The files its process has loaded, or will load.
  package var plugin: PluginIdentity?
  package var dns: PluginIdentity?
  /// Checked options with defaults filled in; without them when there is no plugin to ask.
  package var options: JSONValue?
  package var sockets: NetworkSockets
  package var log: String
  package var guests: [GuestReport]
  package var forwards: [Forward]
  /// The running network-host.
  package var host: HostReport?
  /// How often its process died and was started again, since the daemon runs.
  package var restarts: Int
  package var retryAt: String?
  package var lastExit: ExitReport?
  /// The connection to another daemon's network; nil for networks that have none.
  package var uplink: UplinkReport?
  /// The host's side of a network of mode shared, host or bridged that runs; nil for others.
  package var hostInterface: HostInterfaceReport?
  /// The bridge of Lima's own helper that it has joined, whose DHCP and DNS its guests have; nil: none.
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
  /// What the network-host itself reports: ports with counters, the plugin's status, DNS counters.
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
  /// Since when.
  package var seconds: Int
  /// "rx of network plugin slirp", "stopped by a signal"; nil where nobody knows.
  package var place: String?

  /// "not responding (rx of network plugin slirp, 3 s)"
  package var text: String {
    "not responding (" + (place.map { "\($0), " } ?? "") + "\(seconds) s)"
  }
}

/// What of the host's a network's guests reach host or LAN by.
package struct HostInterfaceReport: Codable, Sendable, Hashable {
  package enum Kind: String, Codable, Sendable {
    /// One TAP for all guests.
    case tap
    /// A macvtap for each guest, on the network card `name`.
    case macvtap
  }

  package var kind: Kind
  /// As the kernel has it now.
  package var name: String
  /// What a TAP is a port of; nil: it has the network's gateway address.
  package var bridge: String?
  /// What cannot be reached by it, and what helps.
  package var limits: String?
}

/// The connection to socket_vmnet or another daemon that a network's guests reach the outside by.
package struct UplinkReport: Codable, Sendable, Hashable {
  package enum State: String, Codable, Sendable {
    /// Nobody is connected, and it is tried again and again.
    case connecting
    case connected
  }

  package var socket: String
  package var state: State
  /// Why it is not connected, or what ended the connection before this one.
  package var error: String?
  /// Since when it is connected.
  package var since: String?
  /// Connections that were made, and those that ended.
  package var connections: UInt64
  package var lost: UInt64
}

/// What a plugin says of itself.
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
  /// The file.
  package var path: String
  package var id: String
  package var version: String
  package var sha256: String
}

package struct NetworkSockets: Codable, Sendable, Hashable {
  /// SOCK_STREAM, QEMU framing.
  package var qemu: String
  /// SOCK_STREAM, takes a datagram socket by SCM_RIGHTS (Lima's VZ driver).
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
  /// As given by the guest's owner, or made up from transport and number.
  package var name: String
  /// "tap", "stream", "dgram" or "unixgram".
  package var transport: String
  package var mac: String?
  package var since: String
}

/// Why a network-host ended when it should not have.
package struct ExitReport: Codable, Sendable {
  package var time: String
  /// "killed by SIGSEGV", "exit status 1", "hung at stop".
  package var reason: String
  /// The last lines of the network's log.
  package var log: [String]
  package var plugin: PluginIdentity?
  package var dns: PluginIdentity?
}
