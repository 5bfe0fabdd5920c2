// SPDX-License-Identifier: Apache-2.0
//
// NetworkHandover: what a network hands to the supervisor that takes this one's place. Values; descriptors by number.

import HostProtocol
import Platform

/// A network's process and the channel to it.
struct ProcessState: Codable {
  var pid: Int32
  /// ns, monotonic.
  var started: UInt64
  var startedAt: String
  var channel: Int32
  var heartbeat: Int32
  /// Received of a message that is not complete.
  var unread: [UInt8]
  var nextID: UInt64
  var sent: UInt64
  var undoing: [Undo]
  /// Of HostProtocol.
  var version: UInt64

  struct Undo: Codable {
    var id: UInt64
    var request: HostRequest
  }
}

struct NetworkHandover: Codable {
  enum Phase: String, Codable {
    case stopped, failed, running
    /// It waits to be started again.
    case restarting
  }

  struct Failure: Codable {
    var report: ErrorReport
    /// ns, monotonic.
    var until: UInt64
  }

  var name: String
  var phase: Phase
  var failure: Failure?
  var complaint: ErrorReport?
  var process: ProcessState?
  /// What it runs with.
  var plan: LaunchPlan?
  var restarts: Int
  var isPinned: Bool
  var lastExit: ExitReport?
  var pluginStates: [PluginStateReport]
  var guests: GuestsState
  var forwards: ForwardsState
  var names: NamesState
  var leases: LeasesState
  var exposed: ExposedNames
  var lastCapture: UInt64
  var keeper: KeeperState?
  var uplink: UplinkState?
}

struct GuestsState: Codable {
  struct Link: Codable {
    var id: UInt64
    var name: String
    var transport: PortTransport
    var mac: String?
    var mtu: Int
    var vnetHeader: Bool
    var since: String
    var journalSlot: Int
    var fd: Int32
    var introduced: Bool
    var hasLease: Bool
  }

  struct Address: Codable {
    var id: UInt64
    var address: String
  }

  var journal: Int32?
  var links: [Link]
  var unixgram: [GuestReport]
  var addresses: [Address]
  /// By address.
  var givenNames: [String: String]
}

struct ForwardsState: Codable {
  var table: ForwardTable
  /// By owner.
  var awaited: [String: [Forward]]
  var sockets: [HandedSockets.Entry]
}

struct NamesState: Codable {
  /// By owner.
  var sets: [String: NameSet]
  var parts: NameParts
  var zones: [ZoneBody]
  var absent: [String]
}

struct LeasesState: Codable {
  var seen: [String]
  var absent: [String]
  var hostnames: [String]
}

/// The process by which Lima takes a network for running.
struct KeeperState: Codable {
  var pid: Int32
  var socket: Int32
}

enum UplinkState: Codable {
  case tap(Tap)
  case peer(Peer)
  case cards(Cards)

  struct Tap: Codable {
    var fd: Int32
    var spec: TapSpec
    var request: HostTapRequest
    var address6: String?
    /// It is a port of Open vSwitch as long as the network has it.
    var hasPort: Bool
    var isOnSwitch: Bool
    /// A macvtap.
    var isCard: Bool
  }

  struct Cards: Codable {
    struct Guest: Codable {
      var id: UInt64
      var held: Tap?
      /// The process's number of it; 0: it has none.
      var port: UInt64
      /// ns, monotonic; 0: it has not.
      var takenAt: UInt64
    }

    var request: HostTapRequest
    /// The network card.
    var name: String
    var mtu: Int
    var trouble: String?
    var spare: Tap?
    var guests: [Guest]

    var held: [Tap] { [spare].compactMap { $0 } + guests.compactMap(\.held) }
  }

  struct Peer: Codable {
    var socket: String
    var port: UInt64
    var isTaken: Bool
    /// ns, monotonic.
    var connectedAt: UInt64
    var since: String?
    var error: String?
    var connections: UInt64
    var losses: UInt64
  }
}
