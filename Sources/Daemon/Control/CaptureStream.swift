// SPDX-License-Identifier: Apache-2.0
//
// CaptureStream: a pcap stream as the body of an answer. The network's process writes into a pipe; what comes out of it
// goes to the client as it comes. The capture ends with the client, or with the process.

import Hummingbird
import NIOCore
import NIOPosix
import Platform
import Synchronization

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
    let capture: Capture
    do {
      let id = try await bridge.ask {
        try await $0.startCapture(network, fd: pipe.write, snapLength: snapLength)
      }
      capture = Capture(id, of: network, bridge, pipe.read)
    } catch {
      // The other end is closed already.
      Descriptor.close(pipe.read)
      throw error
    }
    return Response(
      status: .ok, headers: [.contentType: "application/vnd.tcpdump.pcap"],
      body: ResponseBody { writer in
        defer { capture.end() }
        let source = try await NIOPipeBootstrap(group: group)
          .takingOwnershipOfDescriptor(input: try capture.take()) { channel in
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
          }, onInboundClosed: { capture.end() })
        try await writer.finish(nil)
      })
  }

  /// A capture that was begun. It ends with this, also where its client has gone before the first byte.
  private final class Capture: Sendable {
    private let id: UInt64
    private let network: String
    private let bridge: LoopBridge
    /// What it writes comes out here; -1 once somebody has it.
    private let output: Mutex<Int32>

    init(_ id: UInt64, of network: String, _ bridge: LoopBridge, _ output: Int32) {
      self.id = id
      self.network = network
      self.bridge = bridge
      self.output = Mutex(output)
    }

    deinit {
      end()
      let left = output.withLock { $0 }
      if left >= 0 { Descriptor.close(left) }
    }

    /// The caller's from now on. Once.
    func take() throws -> Int32 {
      try output.withLock { output in
        guard output >= 0 else { throw ErrorReport(.internal, "the capture is read already") }
        defer { output = -1 }
        return output
      }
    }

    /// Idempotent.
    func end() { bridge.submit { [network, id] in $0.networks[network]?.captures.end(id) } }
  }
}
