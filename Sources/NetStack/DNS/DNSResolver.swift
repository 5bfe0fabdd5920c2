// SPDX-License-Identifier: Apache-2.0

import Wire

/// The host's id of a pending query; 0: none.
public typealias OperationID = UInt64

/// The transport of a guest's DNS message.
public enum QuestionTransport: Sendable {
  case udp, tcp
}

/// The sender of a query, as far as it is known.
public struct Questioner: Sendable {
  /// The host's port of the link.
  public var port: PortID
  /// Of the station; zero: unknown.
  public var mac = MACAddress.zero
  public var client: Endpoint?
  public var server: Endpoint?

  init(port: PortID) { self.port = port }
}

/// Answers guests' DNS queries: the network's DNS. Answers are returned by `Stack.onAnswer`, perhaps before `query`
/// returns. Loop thread only.
public protocol DNSResolver: AnyObject {
  /// Begins a query; 0 when too many are pending.
  /// - Parameters:
  ///   - message: a DNS message from its header on (RFC 1035 §4.1), of 12...65535 bytes; borrowed.
  ///   - deadline: nanoseconds of the host's clock; 0: the host chooses; one in the past requests only an immediate
  ///     answer.
  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID

  /// The same with the sender, for resolvers that use it.
  func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID

  /// Cancels a query.
  func cancel(_ operation: OperationID)
}

extension DNSResolver {
  public func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID {
    query(message, transport: transport, deadline: deadline)
  }
}
