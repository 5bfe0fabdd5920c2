// SPDX-License-Identifier: Apache-2.0

import Wire

/// The host's name for a question under way; 0 is none.
public typealias OperationID = UInt64

/// How a guest sent a DNS message.
public enum QuestionTransport: Sendable {
  case udp, tcp
}

/// Who asks a question, as far as it is known.
public struct Questioner: Sendable {
  /// The host's port of the link.
  public var port: PortID
  /// Of the station; zero: not known.
  public var mac = MACAddress.zero
  public var client: Endpoint?
  public var server: Endpoint?

  init(port: PortID) { self.port = port }
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

  /// The same, with who asks, for resolvers that want to know.
  func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID

  /// No answer is wanted any more.
  func cancel(_ operation: OperationID)
}

extension DNSResolver {
  public func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID {
    query(message, transport: transport, deadline: deadline)
  }
}
