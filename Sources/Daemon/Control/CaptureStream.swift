// SPDX-License-Identifier: Apache-2.0
//
// CaptureStream: a pcap stream as the body of an answer. The network's process writes into a pipe; what comes out of it
// goes to the client as it comes. The capture ends with the client, or with the process.

import Hummingbird
import NIOCore
import NIOPosix
import Platform

enum CaptureStream {
  static func response(
    network: String, snapLength: Int, request: Request, bridge: LoopBridge,
    group: any EventLoopGroup
  ) async throws -> Response {
    let pipe: (read: Int32, write: Int32)
    do {
      pipe = try Descriptor.pipe()
      try Descriptor.setNonBlocking(pipe.write)
      // What the client has not taken when it is full, the capture lacks.
      Descriptor.enlargePipe(pipe.write)
    } catch {
      throw ErrorReport(code: "SYSTEM", message: "no capture: \(error)")
    }
    let id: UInt64
    do {
      id = try await bridge.call { supervisor, answer in
        supervisor.startCapture(network, fd: pipe.write, snapLength: snapLength, answer)
      }
    } catch {
      Descriptor.close(pipe.read)
      throw error
    }
    let end: @Sendable () -> Void = {
      bridge.submit { $0.networks[network]?.captures.end(id) }
    }
    return Response(
      status: .ok, headers: [.contentType: "application/vnd.tcpdump.pcap"],
      body: ResponseBody { writer in
        defer { end() }
        let source = try await NIOPipeBootstrap(group: group)
          .takingOwnershipOfDescriptor(input: pipe.read) { channel in
            channel.eventLoop.makeCompletedFuture {
              try NIOAsyncChannel<ByteBuffer, Never>(wrappingChannelSynchronously: channel)
            }
          }
        // Without a frame nothing is written, and only reading shows that the client has gone.
        try await request.body.consumeWithInboundCloseHandler(
          { _ in
            try await source.executeThenClose { inbound in
              for try await bytes in inbound { try await writer.write(bytes) }
            }
          }, onInboundClosed: end)
        try await writer.finish(nil)
      })
  }
}
