// SPDX-License-Identifier: Apache-2.0
//
// EndpointRoutes: a network's `_ep.sock` path by path: gvproxy's HTTP API and Lima's addition to it. Clients match on
// statuses and texts, so those are gvproxy's. Paths that only tell something answer to any method, as there. Each
// connection carries one request (EndpointListener needs to see the head of each), which HTTP clients do not notice.
// NIO threads.

import HTTPTypes
import HostProtocol
import Hummingbird
import NIOCore
import Synchronization

struct EndpointRoutes: Sendable {
  let network: String
  let bridge: LoopBridge

  /// Never throws: whatever went wrong becomes an answer.
  func respond(to request: Request, context: ControlContext) async -> Response {
    do {
      return try await answer(request, context)
    } catch let error as EndpointError {
      return Self.text(error.text, status: .init(code: error.status))
    } catch let error as ErrorReport {
      return Self.text(error.message, status: .internalServerError)
    } catch let error as any HTTPResponseError {
      return Self.text(error.status.reasonPhrase.lowercased(), status: error.status)
    } catch {
      return Self.text("\(error)", status: .internalServerError)
    }
  }

  private func answer(_ request: Request, _ context: ControlContext) async throws -> Response {
    let target = EndpointTarget(request.head.path ?? "/")
    switch target.path {
    case "/leases", "/services/dhcp/leases":
      return Self.json(try await onNetwork { try await $0.endpointLeases() })
    case "/cam":
      return Self.json(try await onNetwork { try await $0.endpointStations() })
    case "/stats":
      return Self.json(try await onNetwork { await $0.endpointStatistics() })
    case "/services/dns/all":
      return Self.json(try await onNetwork { $0.names.zonesJSON })
    case "/services/dns/add":
      let zone = try ZoneBody(try await Self.post(request, context))
      try await onNetwork { try await $0.names.add(zone) }
      return Self.empty
    case "/services/forwarder/all":
      return Self.json(try await onNetwork { $0.exposedJSON })
    case "/services/forwarder/expose":
      let asked = try ExposeRequest(try await Self.post(request, context))
      let forward = try asked.forward()
      try await onNetwork { try await $0.expose(asked, forward) }
      return Self.empty
    case "/services/forwarder/unexpose":
      let asked = try ExposeRequest(try await Self.post(request, context))
      let listener = try asked.listener()
      try await onNetwork { try await $0.unexpose(listener) }
      return Self.empty
    case "/extension/wait_port":
      return try await waitPort(target, request)
    case "/tunnel":
      // One with which nothing is wrong does not come here.
      _ = try target.tunnel.get()
      throw EndpointError.internalError("webserver doesn't support hijacking")
    case "/connect":
      throw EndpointError.internalError("webserver doesn't support hijacking")
    default:
      throw EndpointError(status: 404, text: "404 page not found")
    }
  }

  // MARK: wait_port

  private func waitPort(_ target: EndpointTarget, _ request: Request) async throws -> Response {
    guard let address = ForwardIP(target["ip"]) else {
      throw EndpointError.badRequest("invalid ip address: \(target["ip"])")
    }
    func number(_ field: String) throws -> Int {
      switch EndpointNumber.parse(target[field], function: "ParseUint") {
      case .success(let value): return value
      case .failure(let failure): throw EndpointError.badRequest(failure.text)
      }
    }
    let guest = address.with(port: try number("port"))
    let seconds = target["timeout"].isEmpty ? 10 : try number("timeout")
    let (network, bridge, client) = (self.network, self.bridge, Client())
    let isOpen = try await request.body.consumeWithInboundCloseHandler(
      { _ in
        try await bridge.ask {
          await $0.waitForPort(guest, of: network, seconds: seconds, unless: { client.isGone })
        }
      }, onInboundClosed: { client.leave() })
    guard isOpen else {
      throw EndpointError(
        status: 408, text: "\(guest) did not open within \(seconds) s")
    }
    return Self.empty
  }

  private final class Client: Sendable {
    private let gone = Atomic(false)

    var isGone: Bool { gone.load(ordering: .relaxed) }

    func leave() { gone.store(true, ordering: .relaxed) }
  }

  // MARK: Bodies

  private func onNetwork<Value: Sendable>(
    _ work: @Sendable (Network) async throws -> Value
  ) async throws -> Value {
    try await bridge.ask { try await work(try $0.network(network)) }
  }

  private static func post(_ request: Request, _ context: ControlContext) async throws -> [UInt8] {
    guard request.method == .post else { throw EndpointError.badRequest("post only") }
    let buffer = try await request.body.collect(upTo: context.maxUploadSize)
    return Array(buffer.readableBytesView)
  }

  private static var empty: Response {
    Response(status: .ok, headers: [.connection: "close", .contentLength: "0"])
  }

  private static func json(_ value: JSONValue) -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/json", .connection: "close"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.bytes + [0x0a])))
  }

  private static func text(_ text: String, status: HTTPResponse.Status) -> Response {
    Response(
      status: status,
      headers: [.contentType: "text/plain; charset=utf-8", .connection: "close"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text + "\n")))
  }
}
