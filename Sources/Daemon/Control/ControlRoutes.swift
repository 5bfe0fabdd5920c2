// SPDX-License-Identifier: Apache-2.0
//
// ControlRoutes: the control API, path by path. Bodies and answers are the models of API/; an error is
// {"error":{"code","message"}} with a fitting status.

import HTTPTypes
import HostProtocol
import Hummingbird
import NIOCore
import Platform

struct ControlRoutes: Sendable {
  let bridge: LoopBridge
  /// For the pipes of captures.
  let group: any EventLoopGroup

  func router() -> Router<ControlContext> {
    let router = Router(context: ControlContext.self)
    let bridge = self.bridge
    let v1 = router.group("v1")
    // Reads files: not on the loop.
    v1.get("status") { _, _ in try Self.json(try await bridge.ask { await $0.status() }.noted) }
    v1.get("alive") { _, _ in
      try await Self.json(bridge.ask { _ in AliveReport(pid: CurrentProcess.id) })
    }
    v1.get("plugins") { _, _ in try await Self.json(bridge.ask { await $0.pluginsReport() }) }
    v1.get("leases") { _, _ in try await Self.json(bridge.ask { await $0.allLeases() }) }
    v1.get("networks") { _, _ in try await Self.json(bridge.ask { await $0.networkReports() }) }
    addServiceRoutes(to: v1)
    addNetworkRoutes(to: v1.group("networks/:name"))
    addGuestRoutes(to: v1.group("networks/:name"))
    addInstanceRoutes(to: v1.group("instances"))
    return router
  }

  private func addNetworkRoutes(to network: RouterGroup<ControlContext>) {
    let (bridge, group) = (self.bridge, self.group)
    network.get { _, context in
      let name = try Self.segment("name", context)
      return try Self.json(try await bridge.ask { try await $0.networkReport(name) }.whole)
    }
    network.post("start") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.startNetwork(name) })
    }
    network.post("stop") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.stopNetwork(name) })
    }
    network.post("restart") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.restartNetwork(name) })
    }
    network.get("leases") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.leases(name) })
    }
    network.get("forwards") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.forwards(name) })
    }
    network.post("forwards") { request, context in
      let name = try Self.segment("name", context)
      let forward = try await Self.body(Forward.self, request, context)
      return try await Self.json(bridge.ask { try await $0.addForward(name, forward) }, .created)
    }
    network.delete("forwards") { request, context in
      let name = try Self.segment("name", context)
      let forward = try await Self.body(Forward.self, request, context)
      try await bridge.ask { try await $0.removeForward(name, forward) }
      return Response(status: .noContent)
    }
    network.post("dns") { request, context in
      let name = try Self.segment("name", context)
      let question = try await Self.body(DNSLookup.self, request, context)
      return try await Self.json(bridge.ask { try await $0.ask(name, question) })
    }
    network.get("dns/cache") { request, context in
      let name = try Self.segment("name", context)
      let which = Self.cacheSelection(request)
      return try await Self.json(bridge.ask { try await $0.dnsCache(name, which) })
    }
    network.delete("dns/cache") { request, context in
      let name = try Self.segment("name", context)
      let which = Self.cacheSelection(request)
      return try await Self.json(bridge.ask { try await $0.flushDNSCache(name, which) })
    }
    network.get("capture") { request, context in
      let name = try Self.segment("name", context)
      let snapLength = request.uri.queryParameters.get("snaplen", as: Int.self) ?? 262_144
      return try await CaptureStream.response(
        network: name, snapLength: max(64, min(snapLength, 262_144)), request: request,
        bridge: bridge,
        group: group)
    }
  }

  private static func cacheSelection(_ request: Request) -> DNSCacheSelection {
    let parameters = request.uri.queryParameters
    return DNSCacheSelection(
      name: parameters["name"].map(String.init),
      below: parameters.get("below", as: Bool.self) ?? false)
  }

  private func addInstanceRoutes(to instances: RouterGroup<ControlContext>) {
    let bridge = self.bridge
    instances.get { _, _ in try await Self.json(bridge.ask { $0.instances.reports }) }
    instances.post { request, context in
      let asked = try await Self.body(InstanceRequest.self, request, context)
      // Reads files: not on the loop.
      let read = Instances.read(asked, home: try await bridge.ask { $0.options.home })
      return try await Self.json(bridge.ask { try await $0.instances.up(read) })
    }
    instances.get(":name") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try $0.instances.report(name) })
    }
    instances.delete(":name") { _, context in
      let name = try Self.segment("name", context)
      try await bridge.ask { try $0.instances.down(name) }
      return Response(status: .noContent)
    }
  }

  // MARK: Bodies

  static func json(
    _ value: some Encodable, _ status: HTTPResponse.Status = .ok
  ) throws -> Response {
    let bytes = try JSONText.encode(value)
    return Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes + [0x0a])))
  }

  static func body<Value: Decodable>(
    _ type: Value.Type, _ request: Request, _ context: ControlContext
  ) async throws -> Value {
    let buffer = try await request.body.collect(upTo: context.maxUploadSize)
    do {
      return try JSONText.decode(type, from: buffer.readableBytesView)
    } catch {
      throw ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message: "the request's body makes no sense: \(JSONText.explain(error))")
    }
  }

  // MARK: Errors

  /// Never throws: whatever went wrong becomes an answer.
  static func respond(
    to request: Request, context: ControlContext, with responder: RouterResponder<ControlContext>
  ) async -> Response {
    do {
      // The router drops empty segments: another word would be the name.
      guard !request.uri.path.contains("//") else { throw HTTPError(.notFound) }
      let response = try await responder.respond(to: request, context: context)
      // The router's own answers: for a path that it does not know, a body that is too long.
      guard response.status.code >= 400, response.body.contentLength == 0 else { return response }
      throw HTTPError(response.status)
    } catch let error as ErrorReport {
      return response(error, status(of: error.code))
    } catch let error as any HTTPResponseError {
      let text =
        error.status == .notFound
        ? "there is no \(request.method.rawValue) \(request.uri.path)" : error.status.reasonPhrase
      return response(ErrorReport(code: "HTTP_\(error.status.code)", message: text), error.status)
    } catch {
      return response(
        ErrorReport(code: HostError.Code.internal.rawValue, message: "\(error)"),
        .internalServerError)
    }
  }

  /// To requests that an upgrade of the daemon cannot wait for.
  static var busy: Response {
    response(ErrorReport(.busy, "the daemon is being upgraded: ask again"), .serviceUnavailable)
  }

  private static func response(_ error: ErrorReport, _ status: HTTPResponse.Status) -> Response {
    let bytes = (try? JSONText.encode(ErrorBody(error: error))) ?? []
    return Response(
      status: status, headers: [.contentType: "application/json"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes + [0x0a])))
  }

  private static func status(of code: String) -> HTTPResponse.Status {
    switch HostError.Code(rawValue: code) {
    case .invalidConfig: return .badRequest
    case .notFound: return .notFound
    case .exists, .limit: return .conflict
    case .denied: return .forbidden
    case .busy: return .serviceUnavailable
    case .timeout: return .gatewayTimeout
    case .unsupported: return .notImplemented
    default: return .internalServerError
    }
  }
}
