// SPDX-License-Identifier: Apache-2.0

/// Settings of UDP translation.
public struct UDPConfig: Sendable {
  /// Maximum host sockets; beyond it the longest idle one of the guest with the most is closed.
  public var maximumFlows = 4096
  /// Maximum remote endpoints of all flows together; as above.
  public var maximumPeers = 65_536
  /// Maximum remote endpoints of one flow; beyond it the longest idle one is dropped.
  public var maximumPeersPerFlow = 256
  /// Idle time after which a flow ends (RFC 4787 REQ-5: two minutes or more), nanoseconds.
  public var idleTime: UInt64 = 300 * 1_000_000_000
  /// The same for a flow that only sent to port 53 and has its answer.
  public var answeredDNSTime: UInt64 = 10 * 1_000_000_000
  /// Whether consecutive datagrams of equal size may be one message of a system call (UDP_SEGMENT, UDP_GRO).
  public var segmentation = true

  public init() {}
}
