// SPDX-License-Identifier: Apache-2.0
//
// A host socket that stands for an endpoint of a guest, UDP or ping: what both engines do with
// theirs. What the guest wrote into its IP header is carried over to the socket: time-to-live,
// traffic class, Don't Fragment.
//
// The kernel takes the first two for one datagram, too (control messages, DatagramOutbox); Don't
// Fragment belongs to the socket. Loop thread only.

import PluginAPI
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
  var watch: lnd_handle = 0
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

    /// IP_PMTUDISC_*
    var option: Int32 {
      switch self {
      case .kernel: 1
      case .mayFragment: 0
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
    guard value != trafficClass, isV4 else { return }
    trafficClass = value
    calls.set(fd, level, SocketConstant.trafficClass, Int32(value))
    calls.set(fd, level, SocketConstant.receiveTrafficClass, 1)
  }

  /// For all datagrams from now on: none sent before may wait.
  @inline(__always)
  mutating func setDiscovery(_ value: PathDiscovery, _ calls: SocketCalls) {
    guard value != discovery, isV4 else { return }
    discovery = value
    calls.set(fd, level, SocketConstant.pathDiscovery, value.option)
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

  func close(_ stack: StackCore) {
    stack.host.unwatch(watch)
    _ = stack.calls.close(stack.calls.context, fd)
  }
}

extension InboundPacket {
  /// DSCP and ECN of an IPv4 packet.
  @inline(__always)
  var trafficClass: UInt8 { IPv4Packet(checking: packet)?.trafficClass ?? 0 }

  /// How the sender wants it to meet a link that is too narrow.
  @inline(__always)
  var discovery: DatagramSocket.PathDiscovery {
    IPv4Packet(checking: packet)?.dontFragment ?? false ? .dontFragment : .mayFragment
  }
}

extension StackCore {
  /// A new datagram socket, or -errno. When the process has none left, a flow of the guest with the
  /// most makes room, a few times.
  /// - Parameter protocolNumber: 0 for UDP.
  func openDatagramSocket(isV4: Bool, protocolNumber: Int32 = 0, for share: UInt32) -> Int32 {
    var attempts = 0
    while true {
      let fd = calls.socket(
        calls.context, isV4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), protocolNumber)
      guard fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS, attempts < 4,
        dropDatagramFlow(for: share)
      else { return fd }
      attempts &+= 1
    }
  }

  /// Closes the UDP or ping socket that was idle longest of the guest with the most of both; false when
  /// there is none.
  func dropDatagramFlow(for share: UInt32) -> Bool {
    let victim = shares.busiest(preferring: share) { $0.pointee.datagramFlows &+ $0.pointee.pings }
    let state = shares.pointer(victim)
    let datagrams = state.pointee.datagramOrder.oldest
    let ping = state.pointee.pingOrder.oldest
    let isPing =
      datagrams == 0
      || ping != 0
        && icmp.flows.pointer(ping).pointee.lastUsed < udp.flows.pointer(datagrams).pointee.lastUsed
    return isPing ? icmp.evictOldest(of: victim) : udp.evictOldest(of: victim)
  }
}

/// Lets a message into the log once a minute, however often its reason occurs.
struct LogLimit: BitwiseCopyable {
  private static let pause: UInt64 = 60_000_000_000
  private var next: UInt64 = 0
  private var suppressed: UInt64 = 0

  /// How many were left out since the last one; nil when this one is, too.
  mutating func take(now: UInt64) -> UInt64? {
    guard now >= next else {
      suppressed &+= 1
      return nil
    }
    next = now &+ Self.pause
    defer { suppressed = 0 }
    return suppressed
  }
}
