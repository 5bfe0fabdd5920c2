// SPDX-License-Identifier: Apache-2.0
//
// CaptureRegistry: a network's captures: pcap streams that the process writes into a descriptor somebody reads. A
// capture of a network at rest waits for its start. Once begun it ends with the process: a second pcap header in the
// middle of a stream is no pcap file. Loop thread.

import HostProtocol
import Platform

final class CaptureRegistry {
  private struct Reader {
    /// The end that is written to; ours to close, which ends the stream for its reader.
    let fd: Int32
    /// Bytes of a frame.
    let snapLength: Int
    /// Writes into it; nil before one does.
    var process: HostLink?
  }

  private let core: NetworkCore
  private var readers: [UInt64: Reader] = [:]
  var last: UInt64 = 0

  private static let maximum = 16

  init(_ core: NetworkCore) { self.core = core }

  var count: Int { readers.count }

  /// Takes over `fd`.
  /// - Returns: what names the capture for `end`, when the process has begun, or, at a network at rest, at once.
  func add(fd: Int32, snapLength: Int) async throws(ErrorReport) -> UInt64 {
    guard readers.count < Self.maximum else {
      Descriptor.close(fd)
      throw ErrorReport(
        .limit, "network \(core.name) is captured \(Plural.times(readers.count)) already")
    }
    last += 1
    let id = last
    readers[id] = Reader(fd: fd, snapLength: snapLength)
    guard let link = core.running else { return id }
    do throws(HostError) { try await begin(id, on: link) } catch { throw core.report(error) }
    return id
  }

  /// The process runs, and is told of all that wait for it.
  func begin(on link: HostLink) {
    for id in readers.keys.sorted() {
      core.begin { [self] in try? await begin(id, on: link) }
    }
  }

  private func begin(_ id: UInt64, on link: HostLink) async throws(HostError) {
    guard let reader = readers[id], reader.process == nil else { return }
    readers[id]?.process = link
    do throws(HostError) {
      _ = try await link.ask(
        .startCapture(CaptureSpec(id: id, snapLength: reader.snapLength)), fds: [reader.fd])
    } catch {
      if !link.hasEnded { core.log(.warning, "a capture cannot begin: \(error)") }
      end(id)
      throw error
    }
  }

  /// Idempotent.
  func end(_ id: UInt64) {
    guard let reader = readers.removeValue(forKey: id) else { return }
    if let process = reader.process, !process.hasEnded { process.send(.stopCapture(id)) }
    Descriptor.close(reader.fd)
  }

  /// - Parameter begunOnly: those that wait for a process wait on.
  func endAll(begunOnly: Bool = false) {
    for (id, reader) in readers where !begunOnly || reader.process != nil { end(id) }
  }
}
