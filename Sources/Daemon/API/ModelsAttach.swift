// SPDX-License-Identifier: Apache-2.0
//
// The messages of the attach socket: a request with a TAP's descriptor, one answer, and the daemon's last words when it
// lets the guest go. Program and daemon may be of two versions for as long as one of them runs: what is new is optional.

/// First message of a client of the attach socket; the TAP's fd comes with it by SCM_RIGHTS.
package struct AttachRequest: Codable, Sendable {
  package var network: String
  package var name: String
  /// Nobody chose the name: where it is taken the guest gets another.
  package var nameIsMade: Bool?
  /// "52:55:55:12:34:56", or nil if the caller does not know it.
  package var mac: String?
  package var mtu: Int
  package var vnetHeader: Bool
  /// False: the guest configures itself, and a network that gives no addresses will do.
  package var needsLease: Bool
  /// Open as long as the guest is attached. `guest` of each is the guest's port alone ("80"): the address is the lease's.
  package var forwards: [Forward]?
  /// The guest was here before. Forwards that cannot be open yet do not keep it away.
  package var isReturn: Bool?
  /// The network was stopped: it is not started for this guest, which is refused until somebody starts it.
  package var startsNothing: Bool?

  package init(
    network: String, name: String, nameIsMade: Bool = false, mac: String?, mtu: Int,
    vnetHeader: Bool, needsLease: Bool = true, forwards: [Forward] = []
  ) {
    self.network = network
    self.name = name
    self.nameIsMade = nameIsMade
    self.mac = mac
    self.mtu = mtu
    self.vnetHeader = vnetHeader
    self.needsLease = needsLease
    self.forwards = forwards.isEmpty ? nil : forwards
  }
}

/// The answer. The guest is attached as long as both ends keep the connection open.
package struct AttachReply: Codable, Sendable {
  package var ok: Bool
  package var guest: UInt64?
  package var lease: LeaseOffer?
  /// Those that were asked for, with their states and the ports that were chosen for port 0.
  package var forwards: [Forward]?
  package var error: ErrorReport?

  package init(guest: UInt64, lease: LeaseOffer?, forwards: [Forward]? = nil) {
    self.ok = true
    self.guest = guest
    self.lease = lease
    self.forwards = forwards
  }

  package init(error: ErrorReport) {
    self.ok = false
    self.error = error
  }
}

/// What the daemon says before it closes the connection of a guest that was attached. A daemon that is killed says nothing.
package struct AttachFarewell: Codable, Sendable {
  package enum Cause: String, Codable, Sendable {
    /// Somebody stopped the network; another start may come.
    case networkStopped
    /// The network is no longer in networks.yaml; it may be there again.
    case networkRemoved
    /// The network cannot run, or the guest cannot be on it.
    case sentAway
    case daemonStops
  }

  package var cause: Cause
  /// Why, for users: a clause.
  package var message: String

  package init(cause: Cause, message: String) {
    self.cause = cause
    self.message = message
  }
}
