// SPDX-License-Identifier: Apache-2.0
//
// What `_ep.sock` asks of a network: connections to guests, its lists in gvproxy's shapes, forwards under the names that
// the client gave them.

import HostProtocol
import Platform

extension Network {
  // MARK: Connections to guests

  /// Makes `fd`, which is taken over, a connection to a guest.
  func tunnel(to guest: String, _ fd: Int32) {
    defer { Descriptor.close(fd) }
    guard let link = core.running else {
      return log(.warning, "no tunnel to \(guest): the network does not run, so there is no guest")
    }
    let connected = link.send(.connect(ConnectSpec(guest: guest)), fds: [fd])
    core.begin { [self] in
      do throws(HostError) { _ = try await connected.value() } catch {
        log(.warning, "no tunnel to \(guest): \(error)")
      }
    }
  }

  /// A connection to a guest, once it has accepted. Does not start the network: without guests there is none to accept.
  func connect(to guest: String) async throws(ErrorReport) -> Int32 {
    guard let link = core.running else {
      throw ErrorReport(.notFound, "network \(name) does not run")
    }
    let ends: (own: Int32, hosts: Int32)
    do throws(SystemError) {
      let pair = try UnixSocket.pair()
      ends = (pair.0, pair.1)
    } catch {
      throw ErrorReport(.system, "\(error)")
    }
    let connected = link.send(.connect(ConnectSpec(guest: guest)), fds: [ends.hosts])
    Descriptor.close(ends.hosts)
    do throws(HostError) {
      _ = try await connected.value()
      return ends.own
    } catch {
      Descriptor.close(ends.own)
      throw core.report(error)
    }
  }

  // MARK: Lists

  /// Addresses to MAC addresses; of a network at rest, those of the last time it ran.
  func endpointLeases() async throws(ErrorReport) -> JSONValue {
    let map: [String: String]
    // One that starts knows its leases in a moment, and until then none.
    if state == .starting { _ = try? await whenRunning().value() }
    if core.running == nil {
      map = listeners.usernet?.readLeases(of: wanted.subnet, gateway: router) ?? [:]
    } else {
      let found = try await leases.list()
      // Whoever learns of an address here may name it next: it has to count as present by then.
      leases.took(found)
      map = LimaLeases.map(found, gateway: router)
    }
    return .object(
      JSONObject(map.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }))
  }

  /// The switch's table: MAC addresses to the numbers of the links they are behind.
  func endpointStations() async throws(ErrorReport) -> JSONValue {
    guard let link = core.running,
      case .json(let stations) = try await core.ask(link, .listStations)
    else { return .object([:]) }
    return stations
  }

  /// Counters of all links, from the gateway's side; what this stack does not count is left out.
  func endpointStatistics() async -> JSONValue {
    var ports: [PortStatus] = []
    if let link = core.running { ports = await wholeStatus(link)?.ports ?? [] }
    return .object([
      "BytesSent": .unsigned(ports.reduce(0) { $0 &+ $1.txBytes }),
      "BytesReceived": .unsigned(ports.reduce(0) { $0 &+ $1.rxBytes }),
      "MalformedRcvdPackets": .unsigned(
        ports.reduce(0) {
          $0 &+ ($1.counters["rxMalformed"] ?? 0) &+ ($1.counters["rxRunt"] ?? 0)
        }),
      "DroppedPackets": .unsigned(ports.reduce(0) { $0 &+ $1.drops }),
      "PacketsSent": .unsigned(ports.reduce(0) { $0 &+ $1.txFrames }),
      "PacketsReceived": .unsigned(ports.reduce(0) { $0 &+ $1.rxFrames }),
    ])
  }

  // MARK: Forwards

  var exposedJSON: JSONValue { exposed.json(forwards.open) }

  func expose(_ request: ExposeRequest, _ forward: Forward) async throws(EndpointError) {
    guard !forwards.contains(forward) else {
      throw .internalError("proxy already running for \(request.protocol) on \(request.local)")
    }
    var temporary = forward
    temporary.temporary = true
    do throws(ErrorReport) {
      exposed.note(try await forwards.add(temporary), asked: forward, by: request)
    } catch {
      throw .internalError(error.message)
    }
  }

  func unexpose(_ asked: Forward) async throws(EndpointError) {
    let listener = exposed.listener(asked)
    guard forwards.contains(listener) else { throw .internalError("proxy not found") }
    exposed.forget(listener)
    do throws(ErrorReport) { try await forwards.remove(listener) } catch {
      throw .internalError(error.message)
    }
  }
}
