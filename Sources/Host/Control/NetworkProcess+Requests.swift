// SPDX-License-Identifier: Apache-2.0
//
// The supervisor's requests; each gets exactly one reply.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

extension NetworkProcess {
  /// Takes ownership of the descriptors.
  func handle(_ id: UInt64, _ request: HostRequest, _ fds: [Int32]) {
    var fds = Descriptors(fds)
    defer { fds.closeRest() }
    do throws(HostError) {
      if let reply = try answer(id, request, &fds) { control.reply(id, reply) }
    } catch {
      if phase == .idle, request.isStart {
        startFailed(id, error)
      } else {
        control.reply(id, .failed(error))
      }
    }
  }

  /// The reply, or nil when it follows later.
  private func answer(_ id: UInt64, _ request: HostRequest, _ fds: inout Descriptors)
    throws(HostError) -> HostReply?
  {
    switch request {
    case .start(let spec):
      try needIdle()
      log.secrets.add(spec.secrets)
      let tap = spec.tap == nil ? nil : try fds.needLast()
      try start(spec, journal: fds.take(), tap: tap, request: id)
      return nil
    case .validate(let spec):
      try needIdle()
      try validate(spec)
      return .ok
    case .serveDNS(let spec):
      try needIdle()
      log.secrets.add(spec.dns.secrets)
      try serveDNS(spec, udp: try fds.need(), tcp: try fds.need(), journal: fds.take(), request: id)
      return nil
    case .stop:
      stop(request: id)
      return nil
    case .newLog:
      try printTo(try fds.need())
      return .ok
    case .status: return .status(status)
    case .statusOfPorts(let last):
      var status = HostStatus()
      tellPorts(after: last, in: &status)
      return .status(status)
    default: break
    }
    guard phase == .running, let dns else {
      throw HostError(.notFound, "the network does not run")
    }
    switch request {
    case .resolve(let spec):
      guard let message = Base64.decode(spec.message) else {
        throw HostError(.invalidConfig, "the message is not in base 64")
      }
      return dns.requestAsks(message, spec.isDatagram == true ? .udp : .tcp, request: id)
    case .setDNS(let spec):
      log.secrets.add(spec.secrets)
      try beginDNSChange(DNSChange(request: id, spec: spec))
      return nil
    case .networkChanged: dns.networkChanged()
    case .setNames(let names): try dns.set(names)
    case .listDNSCache(let which): return .json(try dns.listCache(which))
    case .flushDNSCache(let which): return .json(JSONValue(try dns.flushCache(which)))
    default: return try answerNetwork(id, request, &fds)
    }
    return .ok
  }

  /// Requests that need a network, not only its DNS.
  private func answerNetwork(_ id: UInt64, _ request: HostRequest, _ fds: inout Descriptors)
    throws(HostError) -> HostReply?
  {
    guard let ports, let network else {
      throw HostError(.unsupported, "this process serves DNS and has no network")
    }
    switch request {
    case .addPort(let spec): try ports.add(spec, fd: try fds.need())
    case .guestsAreKnown: ports.guestsAreKnown()
    case .addUnixgramListener where confinement.isStrict:
      throw HostError(
        .unsupported,
        "`sandbox: strict`: guests at its unixgram socket are sent to by their paths, which are out of reach"
      )
    case .addUnixgramListener(let spec): try ports.addListener(spec, fd: try fds.need())
    case .removePort(let port): ports.remove(port)
    case .renamePort(let spec): try ports.rename(spec.id, spec.name)
    case .removeListener(let listener): ports.removeListener(listener)
    case .releaseLease(let port):
      guard let entry = ports.entries[port], entry.hasReservation else { break }
      entry.hasReservation = false
      network.releaseLease(entry.port)
    case .reconfigure(let spec):
      log.secrets.add(spec.secrets)
      try network.reconfigure(spec)
      ports.setLimits(spec.limits ?? LinkLimits())
      network.learningSwitch?.secure(spec.portSecurity)
    case .startCapture(let spec): ports.startCapture(spec, fd: try fds.need())
    case .stopCapture(let capture): try ports.stopCapture(capture)
    case .expose(let spec):
      // The plugin gets a duplicate: `fds` closes this one.
      try network.expose(spec, listener: fds.first, request: id)
      return nil
    case .unexpose(let spec):
      try network.unexpose(spec, request: id)
      return nil
    case .listForwards:
      return try listings.reply(network.listForwards(), to: id, network.bridge)
    case .listLeases: return try listings.reply(network.listLeases(), to: id, network.bridge)
    case .listingPart(let place): return try listings.part(place)
    case .listStations: return .json(ports.stations)
    case .reserveLease(let port):
      guard let entry = ports.entries[port] else {
        throw HostError(.notFound, "there is no port \(port)")
      }
      let lease = try network.reserveLease(entry.port)
      entry.hasReservation = true
      return .json(lease)
    case .connect(let spec):
      try network.connect(spec, fd: try fds.need(), request: id)
      return nil
    default: throw HostError(.unsupported, "this network-host does not know how")
    }
    return .ok
  }

  /// Redirects standard output and error. Takes ownership of the descriptor.
  private func printTo(_ fd: Int32) throws(HostError) {
    defer { Descriptor.close(fd) }
    do throws(SystemError) {
      for standard: Int32 in [1, 2] { try Descriptor.replace(standard, with: fd) }
    } catch {
      throw HostError(.system, "its log stays where it was: \(error)")
    }
  }

  private func needIdle() throws(HostError) {
    guard phase == .idle, !isStarting else {
      throw HostError(.exists, "the network is started already")
    }
  }

  private var status: HostStatus {
    var host = HostCounters()
    host.uptime = MonotonicClock.now() &- started
    host.turns = reactor.turns
    host.watches = reactor.watchCount
    for bridge in bridges {
      host.staleHandles &+= bridge.staleHandles
      host.wrongThreadCalls &+= bridge.wrongThreadCalls.load(ordering: .relaxed)
      host.slowCallbacks &+= bridge.slowCallbacks
      host.timers += bridge.timers.count
      host.operations += bridge.operations.count
    }
    host.malformedFrames = ports?.malformedFrames ?? 0
    if let ports {
      host.refusedLinks = ports.refusedLinks
      host.links = ports.linkCount
      host.maximumLinks = GuestPorts.maximumLinks
    }
    var status = HostStatus(
      plugin: network?.bridge.status(), dnsPlugin: dnsPlugin?.bridge.status(), dns: dns?.counters,
      modules: ([network?.plugin].compactMap { $0 } + (dnsPlugin?.chain.map(\.plugin) ?? []))
        .map(\.status),
      switchCounters: ports?.switchCounters ?? server?.status ?? [:], host: host,
      confinement: confinement.status)
    tellPorts(after: 0, in: &status)
    return status
  }

  private func tellPorts(after last: UInt64, in status: inout HostStatus) {
    guard let ports else { return }
    let (page, hasMore) = ports.status(after: last, limit: HostStatus.maximumPorts)
    status.ports = page
    status.hasMorePorts = hasMore ? true : nil
  }
}

extension HostRequest {
  /// The first request; the process ends when it fails.
  fileprivate var isStart: Bool {
    switch self {
    case .start, .serveDNS: true
    default: false
    }
  }
}

/// The descriptors that came with a request; those that no code takes are closed.
private struct Descriptors {
  private var rest: [Int32]

  init(_ fds: [Int32]) { rest = fds }

  var first: Int32? { rest.first }

  mutating func take() -> Int32? { rest.isEmpty ? nil : rest.removeFirst() }

  mutating func need() throws(HostError) -> Int32 {
    guard let fd = take() else {
      throw HostError(.invalidConfig, "the request came without its descriptor")
    }
    return fd
  }

  mutating func needLast() throws(HostError) -> Int32 {
    guard let fd = rest.popLast() else {
      throw HostError(.invalidConfig, "the request came without its descriptor")
    }
    return fd
  }

  mutating func closeRest() {
    for fd in rest { Descriptor.close(fd) }
    rest = []
  }
}
