// SPDX-License-Identifier: Apache-2.0
//
// What asking the nameservers came to, and the reasons that a SERVFAIL made here gives (RFC 8914 4).

import DNSMessage
import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Of one question.
enum ServersAnswer {
  /// A server's message, be it a failure, with the id of who asked.
  case message([UInt8])
  /// No server said anything that could be passed on.
  case failure(DNSExtendedError)
}

/// What the network said when a server was asked.
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
  /// getaddrinfo does not tell a nameserver that fails from one that is silent.
  static let systemFailed = DNSExtendedError(other, "the host's resolver failed")
  static let unreadable = DNSExtendedError(other, "a nameserver's answer cannot be read")
}

extension Errno {
  static let connectionReset = Errno(ECONNRESET)
  /// The host watches no more descriptors for us.
  static let tooManyWatches = Errno(ENFILE)
}
