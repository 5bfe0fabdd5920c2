// SPDX-License-Identifier: Apache-2.0
//
// capture: writes the frames of a network as a pcap file or stream.

import LibC
import ArgumentParser
import Daemon
import NIOCore
import Platform

struct CaptureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture",
    abstract: "Record the frames of a network, as tcpdump and Wireshark read them.",
    discussion: """
      Records what crosses the guests' ports until it is interrupted, the network stops, or the reader goes. That of a \
      network at rest begins with its start, and only then the file is made. When the network's process dies it says \
      so, and goes on in the same file with the next one. Needs no privileges. Where a reader is too slow frames are \
      left out, never the guests slowed down.

        lima-netd capture default -w trace.pcap
        lima-netd capture default -w - | tcpdump -nr -
        lima-netd capture default -w - | wireshark -k -i -
      """)

  @Argument(help: "The network.", completion: .networks)
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
    if file != "-" { try Self.check(file) }
    let counter = file == "-" ? FrameCounter(output: 1) : FrameCounter(path: file)
    let path = APIPath.network(network, "capture") + "?snaplen=\(snaplen)"
    #if os(Linux)
      // Before the client's thread is created, which inherits the signal mask.
      let signals = try ForegroundSignals([SIGINT, SIGTERM])
      let client = try ControlClient(starting: home)
      try record(client, path, counter) { stream in
        let ended = try Descriptor.pipe()
        defer { Descriptor.close(ended.read) }
        stream.whenComplete { _ in Descriptor.close(ended.write) }
        let ready = Foreground.wait([signals.fd, ended.read], milliseconds: -1)
        if ready[1] { try stream.wait() }
        return ready[1] && !ready[0]
      }
    #else
      try record(try ControlClient(starting: home), path, counter) { stream in
        try stream.wait()
        return true
      }
    #endif
    guard !counter.isBroken else {
      // The status has the daemon's version, in case it is another one.
      let _: StatusReport = try ControlClient(home).get(APIPath.status)
      throw CommandFailure("What the daemon sends is no capture, from frame \(counter.frames) on")
    }
    let frames = counter.frames
    StandardError.print("\(Plural.text(frames, "frame")) written")
    if let error = counter.failure {
      throw CommandFailure(
        "\(file) could not be written: \(error)",
        remedy: "What came before is in it. Is there room?  df -h \(file)")
    }
  }

  /// Records one stream after the other: each ends with a process of the network, or with a daemon that an upgrade in
  /// place replaced.
  /// - Parameter follow: waits for the end of a stream; false if the user ended the command.
  private func record(
    _ client: ControlClient, _ path: String, _ counter: FrameCounter,
    follow: (EventLoopFuture<Void>) throws -> Bool
  ) throws {
    var empty = 0
    var process = (try? client.get(APIPath.network(network)) as NetworkReport)?.host?.pid
    while true {
      let stream = try client.stream(path) { counter.take($0.readableBytesView) }
      guard try follow(stream), !counter.isOver, try goesOn(client, &process) else { return }
      empty = counter.beginAnother() ? 0 : empty + 1
      guard empty < Self.mostEmpty else {
        throw CommandFailure(
          "Network \(network) cannot be captured", remedy: "Its log may say why:  lima-netd status")
      }
      usleep(100_000)
    }
  }

  /// Maximum number of consecutive empty streams.
  private static let mostEmpty = 5

  /// Reports why the stream has ended. Whether another one will follow.
  /// - Parameter process: the one that was captured, if known, and the one that will be.
  private func goesOn(_ client: ControlClient, _ process: inout Int32?) throws -> Bool {
    let report: NetworkReport
    do {
      report = try client.get(APIPath.network(network))
    } catch is ControlClient.DaemonNotRunning {
      StandardError.print("the daemon has ended, and the capture with it")
      return false
    } catch let error as CommandFailure where error.code == "NOT_FOUND" {
      StandardError.print("network \(network) is gone, and the capture ends with it")
      return false
    }
    let captured = process
    process = report.host?.pid
    switch report.state {
    case .running where process != nil && process == captured:
      StandardError.print(
        "another daemon has taken network \(network) over, which ran on meanwhile: the capture goes on, without the "
          + "frames of that moment")
      return true
    case .running, .starting, .restarting:
      let reason = report.lastExit.map { " (\($0.reason))" } ?? ""
      StandardError.print(
        "the process of network \(network) has ended\(reason): the capture goes on with the next one"
      )
      return true
    case .stopped, .stopping, .failed:
      StandardError.print(
        "network \(network) is \(report.state.rawValue): the capture ends with it")
      return false
    }
  }

  /// Checks that the file can be created, without creating it: the network may not exist, or not start.
  private static func check(_ path: String) throws {
    let fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)
    if fd >= 0 { return Descriptor.close(fd) }
    var problem = Errno.current
    if problem == .noSuchFile {
      let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      let place = folder.isEmpty ? "." : folder == [""] ? "/" : folder.joined(separator: "/")
      if access(place, W_OK) == 0 { return }
      problem = Errno.current
    }
    // A named pipe without a reader.
    if problem.rawValue == ENXIO { return }
    throw CommandFailure(
      "\(path) could not be made: \(problem)",
      remedy: "Give a file in a folder that is yours:  -w /tmp/trace.pcap")
  }
}
