// SPDX-License-Identifier: Apache-2.0
//
// The result of querying the nameservers, and the reasons in this plugin's SERVFAIL answers (RFC 8914 4).

import LibC
import DNSMessage
import Platform

/// For one query.
enum ServersAnswer {
  /// A server's message, possibly a failure, with the operation's id.
  case message([UInt8])
  /// No server gave a usable message.
  case failure(DNSExtendedError)
}

/// The network error of a query to a server.
struct ServerTrouble {
  let server: ServerAddress
  let error: Errno

  var reason: DNSExtendedError {
    DNSExtendedError(DNSExtendedError.networkError, "\(server): \(error)")
  }
}

extension DNSExtendedError {
  static let noServer = DNSExtendedError(noReachableAuthority, "there is no nameserver to ask")
  static let noServerAnswered = DNSExtendedError(
    noReachableAuthority, "no nameserver answered in time")
  /// getaddrinfo does not distinguish a failing nameserver from a silent one.
  static let systemFailed = DNSExtendedError(other, "the host's resolver failed")
  static let unreadable = DNSExtendedError(other, "a nameserver's answer cannot be read")
}

extension Errno {
  static let connectionReset = Errno(ECONNRESET)
  /// The host refuses to watch more descriptors.
  static let tooManyWatches = Errno(ENFILE)
}
