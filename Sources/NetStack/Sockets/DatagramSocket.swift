// SPDX-License-Identifier: Apache-2.0
//
// A host socket that stands for an endpoint of a guest, for UDP or ping. Fields of the guest's IP header are applied
// to the socket: time-to-live, traffic class, Don't Fragment.
//
// The kernel accepts the first two per datagram, too (control messages, DatagramOutbox); Don't Fragment is a setting
// of the socket. Loop thread only.

import LibC
import Wire

/// See the head of this file.
struct DatagramSocket: BitwiseCopyable {
  let fd: Int32
  let isV4: Bool
  var watch: HandleID = 0
  /// The socket's default, for datagrams without a value of their own.
  private(set) var hopLimit: UInt8 = 0
  private(set) var trafficClass: UInt8 = 0
  private(set) var discovery: PathDiscovery = .kernel

  /// Path MTU discovery of a socket (IP_MTU_DISCOVER).
  enum PathDiscovery: UInt8, BitwiseCopyable {
    /// The default of a new socket: Don't Fragment is set on datagrams that fit; larger ones are fragmented.
    case kernel
    /// Routers may fragment, as the guest permits.
    case mayFragment
    /// A datagram over the path MTU is refused with EMSGSIZE, which is reported to a guest that sets Don't Fragment.
    case dontFragment

    /// IP_PMTUDISC_*, IPV6_PMTUDISC_*. Routers do not fragment IPv6 packets: if fragmentation is permitted, the
    /// kernel does it.
    func option(isV4: Bool) -> Int32 {
      switch self {
      case .kernel: 1
      case .mayFragment: isV4 ? 0 : 1
      case .dontFragment: 2
      }
    }
  }

  /// Takes ownership of a new socket; its ICMP errors are queued from now on.
  init(fd: Int32, isV4: Bool, _ calls: SocketCalls) {
    self.fd = fd
    self.isV4 = isV4
    calls.set(
      fd, level, isV4 ? SocketConstant.receiveErrors : SocketConstant.receiveErrorsV6, 1)
    // The same port number of the other family belongs to another socket.
    if !isV4 { calls.set(fd, SocketConstant.levelIPv6, Int32(IPV6_V6ONLY), 1) }
  }

  private var level: Int32 { isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6 }

  /// Applies to all later datagrams.
  @inline(__always)
  mutating func setHopLimit(_ value: UInt8, _ calls: SocketCalls) {
    guard value != hopLimit else { return }
    hopLimit = value
    calls.set(
      fd, level, isV4 ? SocketConstant.timeToLive : SocketConstant.unicastHopsV6, Int32(value))
  }

  /// DSCP and ECN of all later datagrams; those of received ones are reported from a guest's first use on.
  @inline(__always)
  mutating func setTrafficClass(_ value: UInt8, _ calls: SocketCalls) {
    guard value != trafficClass else { return }
    trafficClass = value
    calls.set(
      fd, level, isV4 ? SocketConstant.trafficClass : SocketConstant.trafficClassV6, Int32(value))
    calls.set(
      fd, level,
      isV4 ? SocketConstant.receiveTrafficClass : SocketConstant.receiveTrafficClassV6, 1)
  }

  /// Applies to all later datagrams. Precondition: no earlier one is queued.
  @inline(__always)
  mutating func setDiscovery(_ value: PathDiscovery, _ calls: SocketCalls) {
    guard value != discovery else { return }
    discovery = value
    calls.set(
      fd, level, isV4 ? SocketConstant.pathDiscovery : SocketConstant.pathDiscoveryV6,
      value.option(isV4: isV4))
  }

  /// Calls `body` with the errors received for this socket's datagrams. Returns the MTU last reported by the host's
  /// own stack, if any: the kernel does not say for which datagram, but it is the one just refused with EMSGSIZE.
  @discardableResult
  func readErrors(
    _ inbox: DatagramInbox, _ calls: SocketCalls, _ body: (SocketErrorReport) -> Void
  ) -> UInt32? {
    guard inbox.receiveErrors(fd, calls) > 0 else {
      // Nothing queued: a pending error alone would keep the socket ready.
      _ = calls.takeError(fd)
      return nil
    }
    var mtu: UInt32?
    for entry in 0..<inbox.count {
      if let known = SocketErrorReport.localMTU(inbox, entry) {
        mtu = known
      } else if let report = SocketErrorReport(inbox, entry) {
        body(report)
      }
    }
    return mtu
  }

  func close(_ host: StackHost, _ calls: SocketCalls) {
    host.unwatch(watch)
    _ = calls.close(calls.context, fd)
  }
}

extension InboundPacket {
  /// DSCP and ECN.
  @inline(__always)
  var trafficClass: UInt8 {
    source.isV4
      ? IPv4Packet(checking: packet)?.trafficClass ?? 0
      : IPv6Packet(checking: packet)?.trafficClass ?? 0
  }

  /// The sender's permission to fragment: an IPv6 sender fragments packets itself, so it depends on whether this one
  /// was.
  @inline(__always)
  var discovery: DatagramSocket.PathDiscovery {
    guard source.isV4 else { return isReassembled ? .mayFragment : .dontFragment }
    return IPv4Packet(checking: packet)?.dontFragment ?? false ? .dontFragment : .mayFragment
  }
}
