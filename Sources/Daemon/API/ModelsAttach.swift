// SPDX-License-Identifier: Apache-2.0
//
// The messages of the attach socket: a request with a TAP's descriptor, one answer, and the reason when the daemon
// disconnects the guest. Command and daemon may have different versions as long as either runs, so that new members are
// optional.

/// First message of a client of the attach socket, with the TAP's descriptor (SCM_RIGHTS).
package struct AttachRequest: Codable, Sendable {
  package var network: String
  package var name: String
  /// The name was not chosen by the user: if it is in use the guest gets another one.
  package var nameIsMade: Bool?
  /// "52:55:55:12:34:56", or nil if the caller does not know it.
  package var mac: String?
  package var mtu: Int
  package var vnetHeader: Bool
  /// False: the guest configures itself, so that the network need not assign addresses.
  package var needsLease: Bool
  /// Open as long as the guest is attached. The `guest` of each is a port number only ("80"): the address is the lease's.
  package var forwards: [Forward]?
  /// The guest was connected before. Forwards that cannot be opened yet do not make it fail.
  package var isReturn: Bool?
  /// The network was stopped: it is not started for this guest, which is refused until a user starts it.
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
  /// The requested forwards, with their states and the port numbers chosen for 0.
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

/// The message before the daemon closes the connection of an attached guest. A daemon that is killed sends none.
package struct AttachFarewell: Codable, Sendable {
  package enum Cause: String, Codable, Sendable {
    /// A user stopped the network; it may be started again.
    case networkStopped
    /// The network was removed from networks.yaml; it may be added again.
    case networkRemoved
    /// The network cannot run, or the guest cannot be on it.
    case sentAway
    case daemonStops
  }

  package var cause: Cause
  /// The reason for users: a clause.
  package var message: String

  package init(cause: Cause, message: String) {
    self.cause = cause
    self.message = message
  }
}
