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
      return Self.json(try await onNetwork { $0.endpointLeases($1) })
    case "/cam":
      return Self.json(try await onNetwork { $0.endpointStations($1) })
    case "/stats":
      return Self.json(try await onNetwork { $0.endpointStatistics($1) })
    case "/services/dns/all":
      return Self.json(
        try await onNetwork { network, answer in answer(.success(network.names.zonesJSON)) })
    case "/services/dns/add":
      let zone = try ZoneBody(try await Self.post(request, context))
      let result: Result<Bool, EndpointError> = try await onNetwork { network, answer in
        network.names.add(zone) { answer(.success($0)) }
      }
      _ = try result.get()
      return Self.empty
    case "/services/forwarder/all":
      return Self.json(
        try await onNetwork { network, answer in answer(.success(network.exposedJSON)) })
    case "/services/forwarder/expose":
      let asked = try ExposeRequest(try await Self.post(request, context))
      let forward = try asked.forward()
      let result: Result<Bool, EndpointError> = try await onNetwork { network, answer in
        network.expose(asked, forward) { answer(.success($0)) }
      }
      _ = try result.get()
      return Self.empty
    case "/services/forwarder/unexpose":
      let asked = try ExposeRequest(try await Self.post(request, context))
      let listener = try asked.listener()
      let result: Result<Bool, EndpointError> = try await onNetwork { network, answer in
        network.unexpose(listener) { answer(.success($0)) }
      }
      _ = try result.get()
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
    let (network, bridge) = (self.network, self.bridge)
    let wait = PortWait(guest: guest, seconds: seconds)
    let isOpen = try await request.body.consumeWithInboundCloseHandler(
      { _ in
        await withCheckedContinuation { continuation in
          bridge.submit { supervisor in
            guard let network = supervisor.networks[network] else {
              return continuation.resume(returning: false)
            }
            wait.begin(on: network) { continuation.resume(returning: $0) }
          }
        }
      }, onInboundClosed: { bridge.submit { _ in wait.cancel() } })
    guard isOpen else {
      throw EndpointError(
        status: 408, text: "\(guest) did not open within \(seconds) s")
    }
    return Self.empty
  }

  // MARK: Bodies

  private func onNetwork<Value: Sendable>(
    _ work: @escaping @Sendable (Network, @escaping (Result<Value, ErrorReport>) -> Void) -> Void
  ) async throws -> Value {
    let name = network
    return try await bridge.call { supervisor, answer in
      do throws(ErrorReport) { work(try supervisor.network(name), answer) } catch {
        answer(.failure(error))
      }
    }
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
