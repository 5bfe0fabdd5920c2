// SPDX-License-Identifier: Apache-2.0
//
// capture: the frames of a network as a pcap file or stream.

import ArgumentParser
import Daemon
import NIOCore
import Platform

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

struct CaptureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture",
    abstract: "Record the frames of a network, as tcpdump and Wireshark read them.",
    discussion: """
      Records what crosses the guests' ports until it is interrupted, the network stops, or the reader goes. Needs no \
      privileges. Where a reader is too slow frames are left out, never the guests slowed down.

        lima-netd capture default -w trace.pcap
        lima-netd capture default -w - | tcpdump -nr -
        lima-netd capture default -w - | wireshark -k -i -
      """)

  @Argument(help: "The network.")
  var network: String
  @Option(
    name: [.customShort("w"), .customLong("write")],
    help: ArgumentHelp("The file to write, - for standard output.", valueName: "file|-"),
    completion: .file(extensions: ["pcap"]))
  var file: String
  @Option(
    help: ArgumentHelp("Keep at most this much of each frame, 64 to 262144.", valueName: "bytes"))
  var snaplen = 262_144
  @OptionGroup var home: HomeOptions

  func validate() throws {
    if !(64...262_144).contains(snaplen) {
      throw ValidationError("--snaplen \(snaplen): give a number from 64 to 262144.")
    }
    if file == "-", isatty(1) == 1 {
      throw ValidationError(
        "The capture would go to the terminal: pipe it, as in: ... -w - | tcpdump -nr -")
    }
  }

  func run() throws {
    Signals.ignoreBrokenPipes()
    let output: Int32 = file == "-" ? 1 : try Self.create(file)
    let counter = FrameCounter(output: output)
    let path = APIPath.network(network, "capture") + "?snaplen=\(snaplen)"
    #if os(Linux)
      // Before the client's thread is made, so that it has them blocked, too.
      let signals = try ForegroundSignals([SIGINT, SIGTERM])
      let client = try ControlClient(home)
      let ended = try Descriptor.pipe()
      let stream = try client.stream(path) { counter.take($0.readableBytesView) }
      stream.whenComplete { _ in Descriptor.close(ended.write) }
      let ready = Foreground.wait([signals.fd, ended.read], milliseconds: -1)
      if ready[1] { try stream.wait() }
    #else
      let client = try ControlClient(home)
      try client.stream(path) { counter.take($0.readableBytesView) }.wait()
    #endif
    let frames = counter.frames
    StandardError.print("\(Plural.text(frames, "frame")) written")
    if let error = counter.failure {
      throw CommandFailure(
        "\(file) could not be written: \(error)",
        remedy: "What came before is in it. Is there room?  df -h \(file)")
    }
  }

  private static func create(_ path: String) throws -> Int32 {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard fd >= 0 else {
      throw CommandFailure(
        "\(path) could not be made: \(Errno.current)",
        remedy: "Give a file in a folder that is yours:  -w /tmp/trace.pcap")
    }
    return fd
  }
}
