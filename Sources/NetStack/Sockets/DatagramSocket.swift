// SPDX-License-Identifier: Apache-2.0
//
// A host socket that stands for an endpoint of a guest, UDP or ping: what both engines do with
// theirs. What the guest wrote into its IP header is carried over to the socket: time-to-live,
// traffic class, Don't Fragment.
//
// The kernel takes the first two for one datagram, too (control messages, DatagramOutbox); Don't
// Fragment belongs to the socket. Loop thread only.

import Wire

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// See the head of this file.
struct DatagramSocket: BitwiseCopyable {
  let fd: Int32
  let isV4: Bool
  var watch: HandleID = 0
  /// What the socket was told last, for every datagram that says nothing else.
  private(set) var hopLimit: UInt8 = 0
  private(set) var trafficClass: UInt8 = 0
  private(set) var discovery: PathDiscovery = .kernel

  /// How a socket minds the path's MTU (IP_MTU_DISCOVER).
  enum PathDiscovery: UInt8, BitwiseCopyable {
    /// As a new socket has it: Don't Fragment is set on what fits, what doesn't is cut.
    case kernel
    /// Routers may cut what the guest lets them cut.
    case mayFragment
    /// What does not fit is refused with EMSGSIZE: a guest that sets Don't Fragment learns it.
    case dontFragment

    /// IP_PMTUDISC_*, IPV6_PMTUDISC_*. No router cuts an IPv6 packet: what may be cut is cut by the kernel.
    func option(isV4: Bool) -> Int32 {
      switch self {
      case .kernel: 1
      case .mayFragment: isV4 ? 0 : 1
      case .dontFragment: 2
      }
    }
  }

  /// Takes over a new socket; its ICMP errors are queued from now on.
  init(fd: Int32, isV4: Bool, _ calls: SocketCalls) {
    self.fd = fd
    self.isV4 = isV4
    calls.set(
      fd, level, isV4 ? SocketConstant.receiveErrors : SocketConstant.receiveErrorsV6, 1)
    // The other family's port of the same number is another socket's.
    if !isV4 { calls.set(fd, SocketConstant.levelIPv6, Int32(IPV6_V6ONLY), 1) }
  }

  private var level: Int32 { isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6 }

  /// For all datagrams from now on.
  @inline(__always)
  mutating func setHopLimit(_ value: UInt8, _ calls: SocketCalls) {
    guard value != hopLimit else { return }
    hopLimit = value
    calls.set(
      fd, level, isV4 ? SocketConstant.timeToLive : SocketConstant.unicastHopsV6, Int32(value))
  }

  /// For all datagrams from now on, DSCP and ECN; of what comes back it is reported from the
  /// first time on that a guest uses it.
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

  /// For all datagrams from now on: none sent before may wait.
  @inline(__always)
  mutating func setDiscovery(_ value: PathDiscovery, _ calls: SocketCalls) {
    guard value != discovery else { return }
    discovery = value
    calls.set(
      fd, level, isV4 ? SocketConstant.pathDiscovery : SocketConstant.pathDiscoveryV6,
      value.option(isV4: isV4))
  }

  /// Calls `body` with what the network said about this socket's datagrams. Returns the MTU that
  /// the host's own stack named last, if it did: it does not say for which datagram, but that is the
  /// one which was just refused with EMSGSIZE.
  @discardableResult
  func readErrors(
    _ inbox: DatagramInbox, _ calls: SocketCalls, _ body: (SocketErrorReport) -> Void
  ) -> UInt32? {
    guard inbox.receiveErrors(fd, calls) > 0 else {
      // Nothing queued: a pending error alone would keep the socket ready for ever.
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

  /// How the sender wants it to meet a link that is too narrow: of IPv6 it cuts packets itself, and this
  /// one it has cut, or not.
  @inline(__always)
  var discovery: DatagramSocket.PathDiscovery {
    guard source.isV4 else { return isReassembled ? .mayFragment : .dontFragment }
    return IPv4Packet(checking: packet)?.dontFragment ?? false ? .dontFragment : .mayFragment
  }
}
