// SPDX-License-Identifier: Apache-2.0

/// Settings of ping sockets.
public struct ICMPConfig: Sendable {
  /// Ping sockets at most; of the guest with the most the one that was idle longest makes room.
  public var maximumFlows = 256
  /// Idle time after which a socket is closed (RFC 5508 REQ-1: 60 s or more), nanoseconds.
  public var idleTime: UInt64 = 60 * 1_000_000_000

  public init() {}
}
