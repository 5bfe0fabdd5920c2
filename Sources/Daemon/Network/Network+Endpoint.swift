// SPDX-License-Identifier: Apache-2.0
//
// What `_ep.sock` asks of a network: connections to guests, its lists in gvproxy's shapes, forwards under the names that
// the client gave them.

import HostProtocol
import Platform

extension Network {
  static let endpointOwner = "api"

  /// Opens `_ep.sock`.
  func openEndpoint() throws(SystemError) {
    guard endpoint == nil else { return }
    let endpoint = try EndpointListener(
      path: sockets.paths.endpoint, loop: context.loop, log: context.log)
    endpoint.onHTTP = { [weak self] fd in
      guard let self else { return Descriptor.close(fd) }
      let server =
        endpointServer
        ?? context.servers.endpoint(EndpointRoutes(network: name, bridge: context.bridge))
      endpointServer = server
      server.serve(fd)
    }
    endpoint.onTunnel = { [weak self] guest, fd in
      guard let self else { return Descriptor.close(fd) }
      tunnel(to: guest, fd)
    }
    endpoint.onFrames = { [weak self] fd in
      guard let self else { return Descriptor.close(fd) }
      arrived(.hyperkit, fd)
    }
    self.endpoint = endpoint
  }

  // MARK: Connections to guests

  /// Makes `fd`, which is taken over, a connection to a guest.
  private func tunnel(to guest: String, _ fd: Int32) {
    defer { Descriptor.close(fd) }
    guard state == .running, let link else {
      return log(.warning, "no tunnel to \(guest): the network does not run, so there is no guest")
    }
    link.request(.connect(ConnectSpec(guest: guest)), fds: [fd]) { [weak self] reply in
      if case .failure(let error) = reply { self?.log(.warning, "no tunnel to \(guest): \(error)") }
    }
  }

  /// A connection to a guest, once it has accepted. Does not start the network: without guests there is none to accept.
  func connect(to guest: String, answer: @escaping (Result<Int32, ErrorReport>) -> Void) {
    guard state == .running, let link else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.notFound.rawValue, message: "network \(name) does not run")))
    }
    let ends: (own: Int32, hosts: Int32)
    do throws(SystemError) {
      let pair = try UnixSocket.pair()
      ends = (pair.0, pair.1)
    } catch {
      return answer(
        .failure(ErrorReport(code: HostError.Code.system.rawValue, message: "\(error)")))
    }
    defer { Descriptor.close(ends.hosts) }
    link.request(.connect(ConnectSpec(guest: guest)), fds: [ends.hosts]) { [weak self] reply in
      switch reply {
      case .success:
        answer(.success(ends.own))
      case .failure(let error):
        Descriptor.close(ends.own)
        answer(
          .failure(
            self?.report(error) ?? ErrorReport(code: error.code.rawValue, message: error.message)))
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
    guard state == .running else {
      let remembered = usernet?.readLeases(of: wanted.subnet, gateway: router) ?? [:]
      return answer(.success(json(remembered)))
    }
    leases { [weak self] result in
      // Whoever learns of an address here may name it next: it has to count as present by then.
      if case .success(let leases) = result { self?.took(leases) }
      answer(result.map { json(LimaLeases.map($0, gateway: self?.router)) })
    }
  }

  /// The switch's table: MAC addresses to the numbers of the links they are behind.
  func endpointStations(_ answer: @escaping (Result<JSONValue, ErrorReport>) -> Void) {
    guard state == .running, let link else { return answer(.success(.object([:]))) }
    link.request(.listStations) { [weak self] reply in
      switch reply {
      case .success(.json(let text)):
        answer(.success((try? JSONValue(parsing: Array(text.utf8))) ?? .object([:])))
      case .success: answer(.success(.object([:])))
      case .failure(let error):
        answer(
          .failure(
            self?.report(error) ?? ErrorReport(code: error.code.rawValue, message: error.message)))
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
    guard state == .running, let link else { return answer(.success(json(nil))) }
    wholeStatus(link) { answer(.success(json($0))) }
  }

  // MARK: Forwards

  typealias EndpointAnswer = (Result<Bool, EndpointError>) -> Void

  /// As clients wrote them, sorted by address and protocol.
  var exposedJSON: JSONValue {
    let all = forwards.map { forward in
      exposed[ExposedKey(forward)]
        ?? ExposedNames(local: forward.host, remote: forward.guest ?? "", asked: forward.host)
    }
    let listed = zip(forwards, all).sorted {
      ($0.1.local, $0.0.protocol) < ($1.1.local, $1.0.protocol)
    }
    return .array(
      listed.map { forward, names in
        .object([
          "local": .string(names.local), "remote": .string(names.remote),
          "protocol": .string(forward.protocol),
        ])
      })
  }

  func expose(_ request: ExposeRequest, _ forward: Forward, answer: @escaping EndpointAnswer) {
    guard !forwards.contains(where: { $0.isSame(as: forward) }) else {
      return answer(
        .failure(
          .internalError("proxy already running for \(request.protocol) on \(request.local)")))
    }
    addForward(forward) { [weak self] result in
      switch result {
      case .success(let open):
        self?.exposed[ExposedKey(open)] = ExposedNames(
          local: request.local(listeningAt: open.host), remote: request.remote, asked: forward.host)
        answer(.success(true))
      case .failure(let error):
        answer(.failure(.internalError(error.message)))
      }
    }
  }

  func unexpose(_ asked: Forward, answer: @escaping EndpointAnswer) {
    var listener = asked
    // By the port 0 that it was asked for with, as gvproxy has it.
    if listener.addressOfPortZero != nil,
      let known = exposed.first(where: {
        $0.key.protocol == asked.protocol && $0.value.asked == asked.host
      })
    {
      listener.host = known.key.host
    }
    guard forwards.contains(where: { $0.isSame(as: listener) }) else {
      return answer(.failure(.internalError("proxy not found")))
    }
    exposed[ExposedKey(listener)] = nil
    removeForward(listener) { result in
      answer(result.map { true }.mapError { .internalError($0.message) })
    }
  }
}

/// Which forward is meant: what tells one from another in a network.
struct ExposedKey: Hashable {
  let `protocol`: String
  let host: String

  init(_ forward: Forward) {
    self.init(protocol: forward.protocol, host: forward.host)
  }

  init(protocol: String, host: String) {
    self.protocol = `protocol`
    self.host = host
  }
}

/// What the client called its ends.
struct ExposedNames {
  let local: String
  let remote: String
  /// The address that was to be listened at; its port may be 0.
  let asked: String
}
