// SPDX-License-Identifier: Apache-2.0
//
// Forwards: sockets of the host that lead to a guest; added, removed and listed while the network runs.
//
// Forwards outlive guests: a listener stays while its guest is away, and its clients are refused meanwhile (TCP by a
// reset, UDP by silence). The guest sees the client's own address if an answer to it would be routed here: not for
// clients on the host's loopback, on a unix socket or of another family, which appear as the gateway; and never if
// the forward's or the network's options say so. UDP is in ForwardEngine+Datagrams.swift. Loop thread only.

import LibC
import Platform
import Wire

/// A forward as `list` shows it.
public struct ForwardStatus: Equatable, Sendable {
  public var spec: ForwardRule
  public var connections: Int
}

/// Forwards of the network.
public final class ForwardEngine {
  static let maximumForwards = 4096
  private static let acceptsPerIteration = 64
  /// Pause of accept when the process has no free descriptor, nanoseconds.
  private static let pause: UInt64 = 100_000_000

  let stack: StackCore
  let registry: OpenForwards
  let tcp: TCPEngine
  let udp: UDPEngine
  private var nextID: UInt32 = 1
  /// Links in the order they came up.
  private var linksInOrder: [UInt32] = []
  private var hasLoggedLimit = false
  private var hasLoggedShare = false
  var nextConnect = OpenForwards.firstConnect
  /// TCP connections accepted, and refused.
  public private(set) var accepted: UInt64 = 0
  public private(set) var turnedAway: UInt64 = 0

  /// Descriptors of the connections of forwards' clients, and of those requested by `connect`.
  package var sockets: Int { registry.sockets }
  /// Called once per `connect`: with the `ticket` of the call, and the reason of a failure.
  public var onConnect: ((_ ticket: UInt64, _ failure: ForwardFailure?) -> Void)? {
    get { registry.onConnect }
    set { registry.onConnect = newValue }
  }

  /// The maximum of `sockets`.
  package var socketLimit: Int { stack.descriptors.forwarded }

  init(stack: StackCore, registry: OpenForwards, tcp: TCPEngine, udp: UDPEngine) {
    self.stack = stack
    self.registry = registry
    self.tcp = tcp
    self.udp = udp
  }

  // MARK: Commands

  /// Starts listening on the host. Returns the forward with the port that the kernel chose if port 0 was requested.
  /// - Parameter given: for a unix forward: a listening socket, whose file belongs to the caller. A duplicate is
  ///   kept.
  @discardableResult
  public func expose(_ spec: ForwardRule, listener given: Int32? = nil) throws(ForwardFailure)
    -> ForwardRule
  {
    if let known = find(spec.kind) {
      throw ForwardFailure(
        .exists,
        text: "\(spec.kind.host) is forwarded to \(known.value.spec.guest) already")
    }
    try check(spec.guest.address)
    guard registry.listeners.count < Self.maximumForwards else {
      throw ForwardFailure(
        .limit, text: "a network has \(Self.maximumForwards) forwards at most")
    }
    guard registry.listeners.count < stack.descriptors.listeners else {
      throw ForwardFailure(
        .limit,
        text:
          "\(spec.kind.host): forwards have the \(stack.descriptors.listeners) file descriptors that there are for "
          + "them: \(DescriptorBudget.remedy)")
    }
    let listener = try ForwardListener.open(spec, given, stack.calls)
    let id = nextID
    let watch = stack.host.watch(
      listener.fd, events: .read, token: EventToken(.forward, index: id, generation: 0))
    guard watch != 0 else {
      listener.close(stack)
      throw ForwardFailure(.system, text: "\(spec.kind.host): cannot be watched")
    }
    nextID &+= 1
    listener.watch = watch
    registry.listeners[id] = listener
    if spec.kind.isUDP, registry.datagrams == nil {
      registry.datagrams = UDPForwardTable(seed: stack.random.next())
    }
    return listener.spec
  }

  /// Stops listening. TCP connections go on; UDP clients are removed. False when there is no such forward.
  @discardableResult
  public func unexpose(_ kind: ForwardKind) -> Bool {
    guard let (id, listener) = find(kind) else { return false }
    registry.listeners[id] = nil
    forgetClients { $0.listener == id }
    listener.close(stack)
    return true
  }

  public var all: [ForwardStatus] {
    registry.listeners.sorted { $0.key < $1.key }.map {
      ForwardStatus(spec: $0.value.spec, connections: $0.value.connections)
    }
  }

  /// Checks that a guest can have an address.
  func check(_ address: IPAddress) throws(ForwardFailure) {
    let config = stack.config
    // Of an address of one link nobody else knows the guest, and it is none that a network tells of.
    if !address.isV4, address.isLinkLocal {
      let known = config.ipv6.map { ", as it has in \($0.prefix)" } ?? ""
      throw .invalid(
        "\(address) is a link-local address: a forward needs an address of the guest's that others know\(known)"
      )
    }
    guard config.isGuest(address), address != config.subnet.network else {
      let networks = config.ipv6.map { "\(config.subnet) or \($0.prefix)" } ?? "\(config.subnet)"
      throw .invalid("\(address) is not the address of a guest in \(networks)")
    }
  }

  private func find(_ kind: ForwardKind) -> (key: UInt32, value: ForwardListener)? {
    registry.listeners.first { $0.value.spec.kind == kind }
  }

  // MARK: Links

  func linkUp(_ link: UInt32) { linksInOrder.append(link) }

  func linkDown(_ link: UInt32) {
    linksInOrder.removeAll { $0 == link }
    forgetClients { $0.key.link == link }
  }

  /// Stations behind a link that stays up are gone, and so are these addresses.
  func stationsDown(_ addresses: Set<IPAddress>, on link: UInt32) {
    guard !addresses.isEmpty else { return }
    forgetClients { $0.key.link == link && addresses.contains($0.key.guest) }
  }

  /// The link of a forward's guest; 0 while it is away. A switched network has one link for all guests.
  func link(for spec: ForwardRule) -> UInt32 {
    link(ofGuest: spec.guestName)
  }

  func link(ofGuest name: String) -> UInt32 {
    guard let first = linksInOrder.first else { return 0 }
    if name.isEmpty || stack.links.pointer(first).pointee.kind != .guest {
      return first
    }
    return linksInOrder.first { stack.services(of: $0)?.name == name }
      ?? stack.linkOfHost?(name) ?? 0
  }

  // MARK: Clients

  func onEvent(_ token: EventToken, _ events: FDEvents) {
    guard let listener = registry.listeners[token.index] else { return }
    if listener.spec.kind.isUDP {
      receiveDatagrams(token.index, listener, events)
    } else {
      accept(token.index, listener)
    }
  }

  private func accept(_ id: UInt32, _ listener: ForwardListener) {
    for round in 0..<Self.acceptsPerIteration {
      let link = link(for: listener.spec)
      // Without a guest the client is refused and needs no room.
      guard link == 0 || hasRoom(listener, link, mayMakeIt: round == 0) else {
        if round == 0 { restForRoom(id, listener) }
        return
      }
      var address = SocketAddress()
      let fd: Int32
      if case .unix = listener.spec.kind {
        fd = stack.calls.accept(stack.calls.context, listener.fd, nil, nil)
      } else {
        fd = address.withMutableSockaddr {
          stack.calls.accept(stack.calls.context, listener.fd, $0, $1)
        }
      }
      guard fd >= 0 else {
        switch -fd {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: restWithoutDescriptors(id, listener, -fd)
        // A client that has already closed must not end the loop (accept(2)).
        case ECONNABORTED, EPERM, EPROTO: continue
        default: break
        }
        return
      }
      lead(fd, from: address.endpoint, link, by: id, listener)
    }
  }

  private func lead(
    _ fd: Int32, from client: Endpoint?, _ link: UInt32, by id: UInt32, _ listener: ForwardListener
  ) {
    guard link != 0 else {
      turnedAway &+= 1
      reset(fd)
      return
    }
    var source = Endpoint(stack.config.gateway(for: listener.spec.guest.address), port: 0)
    if let client, isVisible(client.address, through: listener) { source = client }
    // Counted first: the engine may report the end of the flow from inside the call.
    listener.connections += 1
    registry.socketOpened(listener)
    let isOpen = tcp.openTowardGuest(
      socket: fd, link: link, guest: listener.spec.guest, source: source, owner: id,
      isPrepared: listener.isPrepared)
    if isOpen {
      accepted &+= 1
    } else {
      listener.connections -= 1
      registry.socketClosed(id)
      turnedAway &+= 1
    }
  }

  /// Whether a guest sees a client under its own address. Not if the guest's default route is another interface: its
  /// answers would not return here.
  func isVisible(_ address: IPAddress, through listener: ForwardListener) -> Bool {
    (listener.spec.showsClients ?? stack.config.forwardsShowClients)
      && address.isV4 == listener.spec.guest.address.isV4 && address.isUnicast
      && !address.isLoopback && !address.isLinkLocal && !stack.config.isOwn(address)
      && !(address.isV4
        ? stack.config.subnet.contains(address) : stack.config.isGuest(address))
  }

  /// Closes with a reset.
  private func reset(_ fd: Int32) {
    stack.calls.setResetOnClose(fd, true)
    _ = stack.calls.close(stack.calls.context, fd)
  }

  // MARK: Descriptors

  /// Whether a client may have a connection; otherwise it waits in the kernel's backlog until others have ended.
  ///
  /// All forwards together have a part of the descriptors (DescriptorBudget), see `admits`.
  /// - Parameter mayMakeIt: when guests have used all descriptors, the guest with the most loses one to a client,
  ///   unless forwards already hold half of their part.
  private func hasRoom(_ listener: ForwardListener, _ link: UInt32, mayMakeIt: Bool) -> Bool {
    guard admits(listener.sockets) else { return false }
    guard tcp.isFull else { return true }
    guard mayMakeIt, sockets < stack.descriptors.forwarded / 2 else { return false }
    let mac = stack.neighbor(listener.spec.guest.address, on: link) ?? .zero
    return tcp.makeRoom(for: stack.shares.of(link, mac))
  }

  /// Whether a forward with so many descriptors may have one more of those that all forwards share. A quarter is
  /// divided equally, so that a client finds some regardless of the other forwards; of the rest a forward may take
  /// one more while it holds fewer than four times the free ones: alone it gets four fifths.
  func admits(_ held: Int) -> Bool {
    let all = stack.descriptors.forwarded
    let own = max(1, all / 4 / (registry.listeners.count + 1))
    return held < own || held / 4 < all / 4 &* 3 &- sockets
  }

  private func restForRoom(_ id: UInt32, _ listener: ForwardListener) {
    if !hasLoggedShare {
      hasLoggedShare = true
      stack.host.log(
        .warning,
        "\(listener.spec.kind.host): \(Plural.text(listener.sockets, "connection")) open, as many as this forward may have of the "
          + "\(stack.descriptors.forwarded) file descriptors for clients of forwards: new clients wait until others end. "
          + "Where that is too few, \(DescriptorBudget.remedy) (said once)")
    }
    rest(id, listener)
  }

  private func restWithoutDescriptors(_ id: UInt32, _ listener: ForwardListener, _ code: Int32) {
    if !hasLoggedLimit {
      hasLoggedLimit = true
      stack.host.log(
        .warning,
        "\(listener.spec.kind.host): cannot accept: \(errorText(code)): new clients wait. "
          + "Where that goes on, \(DescriptorBudget.remedy) (said once)")
    }
    rest(id, listener)
  }

  /// Pauses accept: the loop would otherwise spin on a listener that stays readable.
  private func rest(_ id: UInt32, _ listener: ForwardListener) {
    stack.host.modify(listener.watch, events: [])
    listener.timer = stack.timers.schedule(
      at: stack.now &+ Self.pause, token: EventToken(.forward, index: id, generation: 0).rawValue)
  }

  func onTimer(_ token: EventToken) {
    if token.generation == UDPForwardTable.timerGeneration {
      expireClients()
      return
    }
    guard let listener = registry.listeners[token.index] else { return }
    listener.timer = 0
    stack.host.modify(listener.watch, events: .read)
  }

  func shutDown() {
    forgetClients { _ in true }
    for listener in registry.listeners.values { listener.close(stack) }
    registry.listeners = [:]
  }
}
