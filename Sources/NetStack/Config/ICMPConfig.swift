// SPDX-License-Identifier: Apache-2.0

/// Settings of ping sockets.
public struct ICMPConfig: Sendable {
  /// Maximum ping sockets; beyond it the longest idle one of the guest with the most is closed.
  public var maximumFlows = 256
  /// Idle time after which a socket is closed (RFC 5508 REQ-1: 60 s or more), nanoseconds.
  public var idleTime: UInt64 = 60 * 1_000_000_000

  public init() {}
}
