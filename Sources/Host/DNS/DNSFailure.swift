// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// Why a question gets SERVFAIL from the broker, which tells it by an extended error (RFC 8914).
enum DNSFailure {
  /// So many questions of the client wait already that this one cannot. A client that hears so at once asks its
  /// next server or gives up, where silence costs it a time-out of seconds and one more question. Not REFUSED: nothing
  /// forbids the question, which may be asked again soon.
  case overload
  /// Nobody answered in time.
  case timeout
  /// The network has no DNS plugin.
  case noPlugin
  /// The DNS plugin failed, or what it gave was no answer to the question.
  case plugin
  /// The answer's code needs EDNS, which the client does not have.
  case unspeakable
  /// The network's own aliases lead in a circle, or on and on.
  case aliases

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
    }
  }
}
