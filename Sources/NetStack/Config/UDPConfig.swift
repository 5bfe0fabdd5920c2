// SPDX-License-Identifier: Apache-2.0

/// Settings of UDP translation.
public struct UDPConfig: Sendable {
  /// Host sockets at most; of the guest with the most the one that was idle longest makes room.
  public var maximumFlows = 4096
  /// Remote endpoints of all flows together; as above.
  public var maximumPeers = 65_536
  /// Remote endpoints of one flow; the one that was silent longest makes room.
  public var maximumPeersPerFlow = 256
  /// Idle time after which a flow ends (RFC 4787 REQ-5: two minutes or more), nanoseconds.
  public var idleTime: UInt64 = 300 * 1_000_000_000
  /// The same for a flow that only ever asked a port 53 and has its answer.
  public var answeredDNSTime: UInt64 = 10 * 1_000_000_000
  /// Whether equal datagrams in a row may be one system call's one message (UDP_SEGMENT, UDP_GRO).
  public var segmentation = true

  public init() {}
}
