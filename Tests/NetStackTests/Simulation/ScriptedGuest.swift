// SPDX-License-Identifier: Apache-2.0
//
// A guest without a TCP: a test specifies each segment and receives the answers. For segments that a correct guest never
// sends.

import Wire

@testable import NetStack

/// A connection of a guest with segments specified by the test.
final class ScriptedGuest {
  let simulation: Simulation
  let local: Endpoint
  let remote = Simulation.server
  /// The guest's next sequence number, and the number of received bytes.
  var next: UInt32
  var acknowledged: UInt32 = 0
  var window: UInt16 = 65535
  private(set) var socket: FakeKernel.Socket?

  init(_ simulation: Simulation, port: UInt16 = 40000, iss: UInt32 = 0xffff_fff0) {
    self.simulation = simulation
    local = Endpoint(Simulation.guestAddress, port: port)
    next = iss
  }

  /// A segment's frame; `sequence` and `acknowledgement` default to the guest's present ones.
  func segment(
    _ flags: TCPFlags, _ payload: [UInt8] = [], sequence: UInt32? = nil,
    acknowledgement: UInt32? = nil, window: UInt16? = nil, options: TCPOptions = TCPOptions(),
    source: IPAddress? = nil
  ) -> [UInt8] {
    let header = TCPHeader(
      sourcePort: local.port, destinationPort: remote.port, sequence: sequence ?? next,
      acknowledgement: acknowledgement ?? acknowledged, flags: flags,
      window: window ?? self.window, options: options)
    return Frames.tcp(
      header, payload: payload, source: source ?? local.address, destination: remote.address)
  }

  /// Passes frames to the stack in one batch and returns the segments that it answers with.
  @discardableResult
  func exchange(_ frames: [UInt8]...) -> [Frames.Segment] {
    simulation.deliver(frames)
    return answers()
  }

  /// The segments the stack sent since the last call.
  func answers() -> [Frames.Segment] {
    let frames = simulation.host.frames
    simulation.host.frames.removeAll()
    return frames.compactMap { Frames.tcp(in: $0, to: local, from: remote) }
  }

  /// Reports the sockets' events to the stack, once.
  func poll() {
    let watches = simulation.host.watches.values.sorted { $0.user < $1.user }
    var events: [FDEvent] = []
    for watch in watches {
      let ready = simulation.kernel.events(watch.fd, interest: watch.events)
      if !ready.isEmpty { events.append(FDEvent(token: watch.user, events: ready)) }
    }
    events.withUnsafeBufferPointer {
      if let base = $0.baseAddress { simulation.stack.onFDs(base, UInt32($0.count)) }
    }
  }

  /// Opens the connection. False if the stack doesn't answer with SYN-ACK.
  func open(
    mss: UInt16 = 1460, scale: UInt8? = 7, sack: Bool = true, window: UInt16 = 65535
  ) -> Bool {
    var options = TCPOptions()
    options.maximumSegmentSize = mss
    options.windowScale = scale
    options.sackPermitted = sack
    self.window = window
    simulation.deliver([segment(.syn, acknowledgement: 0, options: options)])
    poll()
    guard let answer = answers().first, answer.header.flags == [.syn, .ack] else { return false }
    next &+= 1
    acknowledged = answer.header.sequence &+ 1
    exchange(segment(.ack))
    socket = simulation.socket
    return true
  }
}
