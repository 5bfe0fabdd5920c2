// SPDX-License-Identifier: Apache-2.0
//
// Captures: pcap streams the process writes into a descriptor that somebody reads. A capture of a network at rest waits
// for its start. Once begun it ends with the process: a second pcap header in the middle of a stream is no pcap file.

import HostProtocol
import Platform

/// One reader of a network's frames.
final class Capture {
  /// The end that is written to; ours to close, which ends the stream for its reader.
  let fd: Int32
  let snapLength: Int
  var begun = false

  init(fd: Int32, snapLength: Int) {
    self.fd = fd
    self.snapLength = snapLength
  }
}

extension Network {
  static let maximumCaptures = 16

  /// Takes over `fd`. The result names the capture for `endCapture`.
  func addCapture(fd: Int32, snapLength: Int) throws(ErrorReport) -> UInt64 {
    guard captures.count < Self.maximumCaptures else {
      Descriptor.close(fd)
      throw ErrorReport(
        code: HostError.Code.limit.rawValue,
        message: "network \(name) is captured \(Plural.times(captures.count)) already")
    }
    let id = nextCapture
    nextCapture += 1
    captures[id] = Capture(fd: fd, snapLength: snapLength)
    if state == .running, let link { beginCapture(id, on: link) }
    return id
  }

  func beginCapture(_ id: UInt64, on link: HostLink) {
    guard let capture = captures[id], !capture.begun else { return }
    capture.begun = true
    link.request(
      .startCapture(CaptureSpec(id: id, snapLength: capture.snapLength)), fds: [capture.fd]
    ) { [weak self] answer in
      guard case .failure(let error) = answer, let self, !link.hasEnded else { return }
      log(.warning, "a capture cannot begin: \(error)")
      endCapture(id)
    }
  }

  /// Idempotent.
  func endCapture(_ id: UInt64) {
    guard let capture = captures.removeValue(forKey: id) else { return }
    if capture.begun, let link, !link.hasEnded { link.request(.stopCapture(id)) }
    Descriptor.close(capture.fd)
  }

  func endCaptures(startedOnly: Bool = false) {
    for (id, capture) in captures where !startedOnly || capture.begun { endCapture(id) }
  }
}
