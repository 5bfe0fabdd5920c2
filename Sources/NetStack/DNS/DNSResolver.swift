// SPDX-License-Identifier: Apache-2.0

import Wire

/// The host's name for a question under way; 0 is none.
public typealias OperationID = UInt64

/// How a guest sent a DNS message.
public enum QuestionTransport: Sendable {
  case udp, tcp
}

/// Where DNS messages of guests are answered: the network's DNS. Answers come by `Stack.onAnswer`, perhaps
/// before `query` returns. Loop thread only.
public protocol DNSResolver: AnyObject {
  /// Asks; 0 when too many questions are under way.
  /// - Parameters:
  ///   - message: a DNS message from its header on (RFC 1035 §4.1), of 12...65535 bytes; borrowed.
  ///   - deadline: nanoseconds of the host's clock; 0 lets the host choose, and one that is over asks for
  ///     what is known at once.
  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID

  /// No answer is wanted any more.
  func cancel(_ operation: OperationID)
}
