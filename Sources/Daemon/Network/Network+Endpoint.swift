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
    link.request(.connect(ConnectSpec(guest: guest)), fds: [fd]) { [weak self] reply in
      if case .failure(let error) = reply { self?.log(.warning, "no tunnel to \(guest): \(error)") }
    }
  }

  /// A connection to a guest, once it has accepted. Does not start the network: without guests there is none to accept.
  func connect(to guest: String, answer: @escaping (Result<Int32, ErrorReport>) -> Void) {
    guard let link = core.running else {
      return answer(
        .failure(ErrorReport(.notFound, "network \(name) does not run")))
    }
    let ends: (own: Int32, hosts: Int32)
    do throws(SystemError) {
      let pair = try UnixSocket.pair()
      ends = (pair.0, pair.1)
    } catch {
      return answer(
        .failure(ErrorReport(.system, "\(error)")))
    }
    defer { Descriptor.close(ends.hosts) }
    link.request(.connect(ConnectSpec(guest: guest)), fds: [ends.hosts]) { [core] reply in
      switch reply {
      case .success:
        answer(.success(ends.own))
      case .failure(let error):
        Descriptor.close(ends.own)
        answer(.failure(core.report(error)))
      }
    }
  }

  // MARK: Lists

  /// Addresses to MAC addresses; of a network at rest, those of the last time it ran.
  func endpointLeases(_ answer: @escaping (Result<JSONValue, ErrorReport>) -> Void) {
    func json(_ leases: [String: String]) -> JSONValue {
      let members = leases.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
      return .object(JSONObject(members))
    }
    guard core.running != nil else {
      let remembered = listeners.usernet?.readLeases(of: wanted.subnet, gateway: router) ?? [:]
      return answer(.success(json(remembered)))
    }
    leases.list { [weak self] result in
      // Whoever learns of an address here may name it next: it has to count as present by then.
      if case .success(let leases) = result { self?.leases.took(leases) }
      answer(result.map { json(LimaLeases.map($0, gateway: self?.router)) })
    }
  }

  /// The switch's table: MAC addresses to the numbers of the links they are behind.
  func endpointStations(_ answer: @escaping (Result<JSONValue, ErrorReport>) -> Void) {
    guard let link = core.running else { return answer(.success(.object([:]))) }
    link.request(.listStations) { [core] reply in
      switch reply {
      case .success(.json(let stations)): answer(.success(stations))
      case .success: answer(.success(.object([:])))
      case .failure(let error):
        answer(.failure(core.report(error)))
      }
    }
  }

  /// Counters of all links, from the gateway's side; what this stack does not count is left out.
  func endpointStatistics(_ answer: @escaping (Result<JSONValue, ErrorReport>) -> Void) {
    func json(_ status: HostStatus?) -> JSONValue {
      let ports = status?.ports ?? []
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
    guard let link = core.running else { return answer(.success(json(nil))) }
    wholeStatus(link) { answer(.success(json($0))) }
  }

  // MARK: Forwards

  var exposedJSON: JSONValue { exposed.json(forwards.open) }

  func expose(_ request: ExposeRequest, _ forward: Forward, answer: @escaping EndpointAnswer) {
    guard !forwards.contains(forward) else {
      return answer(
        .failure(
          .internalError("proxy already running for \(request.protocol) on \(request.local)")))
    }
    var temporary = forward
    temporary.temporary = true
    forwards.add(temporary) { [weak self] result in
      switch result {
      case .success(let open):
        self?.exposed.note(open, asked: forward, by: request)
        answer(.success(true))
      case .failure(let error):
        answer(.failure(.internalError(error.message)))
      }
    }
  }

  func unexpose(_ asked: Forward, answer: @escaping EndpointAnswer) {
    let listener = exposed.listener(asked)
    guard forwards.contains(listener) else {
      return answer(.failure(.internalError("proxy not found")))
    }
    exposed.forget(listener)
    forwards.remove(listener) { result in
      answer(result.map { true }.mapError { .internalError($0.message) })
    }
  }
}
