// SPDX-License-Identifier: Apache-2.0

/// Limits of one guest's flows; 0 is no limit.
public struct GuestLimits: Equatable, Sendable {
  /// Flows of any protocol in a second, after as many at once.
  public var newFlowsPerSecond: UInt64
  /// Connections that it began, UDP ports and pings, at a time.
  public var connections: Int

  public init(newFlowsPerSecond: UInt64 = 0, connections: Int = 0) {
    self.newFlowsPerSecond = newFlowsPerSecond
    self.connections = connections
  }
}
