// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Why the broker answers SERVFAIL or REFUSED, reported as an extended error (RFC 8914).
enum DNSFailure {
  /// The client has too many pending questions. An immediate SERVFAIL makes the client ask its next server or give
  /// up; silence would cost it a timeout of seconds and a retry. Not REFUSED, because the question is permitted and
  /// may be asked again soon.
  case overload
  /// No answer before the deadline.
  case timeout
  /// The network has no DNS plugin.
  case noPlugin
  /// The DNS plugin failed, or its message was not an answer to the question.
  case plugin
  /// The answer's RCODE needs EDNS, which the client does not use.
  case unspeakable
  /// The network's own aliases form a loop or too long a chain.
  case aliases
  /// The name is not the network's own, and the network answers no others (`DNSPolicy.localOnly`). REFUSED, not
  /// NXDOMAIN: the name may exist, and a guest with a second network asks that one's server next.
  case localOnly

  var code: DNSResponseCode { self == .localOnly ? .refused : .serverFailure }

  var reason: DNSExtendedError? {
    switch self {
    case .overload:
      DNSExtendedError(
        DNSExtendedError.other, "too many questions of this client wait for an answer")
    case .timeout:
      DNSExtendedError(DNSExtendedError.noReachableAuthority, "no answer came in time")
    case .noPlugin: DNSExtendedError(DNSExtendedError.notReady, "no DNS plugin answers here")
    case .plugin: DNSExtendedError(DNSExtendedError.other, "the DNS plugin failed")
    case .unspeakable: nil
    case .aliases:
      DNSExtendedError(DNSExtendedError.other, "aliases of this network lead in a circle")
    case .localOnly:
      DNSExtendedError(
        DNSExtendedError.prohibited, "this network answers only for names of its own")
    }
  }
}
