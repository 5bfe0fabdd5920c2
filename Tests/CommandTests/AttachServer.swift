// SPDX-License-Identifier: Apache-2.0
//
// AttachServer: the daemon's side of the attach socket, as small as it can be: takes TAPs and offers one lease. And a
// way to run the built program against it.

#if os(Linux)

  import Daemon
  import FoundationEssentials
  import LibC
  import Platform
  import Synchronization
  import TestSupport
  import Testing

  @testable import lima_netd

  final class AttachServer: Sendable {
    let home = LimaHome(path: Temporary.path())
    private let listener: Int32
    private let state = Mutex(State())

    private struct State {
      var requests: [AttachRequest] = []
      var stopped = false
      var ended = false
    }

    static let lease = LeaseOffer(
      address: "192.168.5.15", prefixLength: 24, gateway: "192.168.5.2", dns: ["192.168.5.3"],
      mtu: 1400,
      search: ["lima.internal"])

    /// - Parameter refusal: the answer to everybody, instead of the lease.
    init(refusal: ErrorReport? = nil) throws {
      try FileManager.default.createDirectory(
        atPath: home.networksDirectory, withIntermediateDirectories: true)
      listener = try UnixSocket.listen(path: home.attachSocket)
      let reply = refusal.map { AttachReply(error: $0) } ?? AttachReply(guest: 1, lease: Self.lease)
      let answer = try JSONText.encode(reply)
      // A thread of its own: the test's may be the only one.
      var thread = pthread_t()
      let context = Unmanaged.passRetained(Loop(server: self, answer: answer)).toOpaque()
      pthread_create(
        &thread, nil,
        { context in
          guard let context else { return nil }
          let loop = Unmanaged<Loop>.fromOpaque(context).takeRetainedValue()
          loop.server.serve(loop.answer)
          return nil
        }, context)
      pthread_detach(thread)
    }

    private final class Loop {
      let server: AttachServer
      let answer: [UInt8]
      init(server: AttachServer, answer: [UInt8]) {
        self.server = server
        self.answer = answer
      }
    }

    var requests: [AttachRequest] { state.withLock { $0.requests } }

    func stop() {
      state.withLock { $0.stopped = true }
      _ = eventually { state.withLock { $0.ended } }
      try? FileManager.default.removeItem(atPath: home.path)
    }

    private func serve(_ answer: [UInt8]) {
      var channels: [MessageChannel] = []
      while !state.withLock({ $0.stopped }) {
        if Foreground.wait([listener], milliseconds: 20)[0] {
          let fd = accept(listener, nil, nil)
          if fd >= 0, let channel = try? MessageChannel(fd: fd) { channels.append(channel) }
        }
        channels.removeAll { !step($0, answer) }
      }
      Descriptor.close(listener)
      state.withLock { $0.ended = true }
    }

    /// - Returns: false when the guest has gone.
    private func step(_ channel: MessageChannel, _ answer: [UInt8]) -> Bool {
      do {
        while let message = try channel.receive() {
          // Kept open by nobody: the guest's own descriptor holds the interface.
          for fd in message.fds { Descriptor.close(fd) }
          let request = try JSONText.decode(AttachRequest.self, from: message.bytes)
          state.withLock { $0.requests.append(request) }
          try channel.send(answer)
        }
        return true
      } catch {
        return false
      }
    }
  }

  /// The program that was built with these tests.
  enum Program {
    static let path: String? = {
      let own = (try? ChildProcess.ownPath()) ?? ""
      let path = own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/lima-netd"
      return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }()

    struct Outcome: CustomStringConvertible {
      var status: Int32
      var output: String
      var errors: String
      var description: String { "status \(status)\n\(output)\n\(errors)" }
    }

    /// - Parameter meanwhile: called while the program runs, with its pid and a look at its output so far.
    static func run(
      _ arguments: [String], home: LimaHome,
      meanwhile: ((_ pid: Int32, _ output: () -> String) -> Void)? = nil
    ) throws -> Outcome {
      let path = try #require(path)
      let (output, errors) = (Temporary.path(), Temporary.path())
      let (outputFD, errorsFD) = (
        try Foreground.createFile(output), try Foreground.createFile(errors)
      )
      defer {
        for fd in [outputFD, errorsFD] { Descriptor.close(fd) }
        for file in [output, errors] { unlink(file) }
      }
      // Options stand before a command's separator.
      var arguments = arguments
      arguments.insert(
        contentsOf: ["--lima-home", home.path],
        at: arguments.firstIndex(of: "--") ?? arguments.endIndex)
      let pid = try ChildProcess.spawn(
        path, arguments,
        fds: [(from: outputFD, to: 1), (from: errorsFD, to: 2)])
      meanwhile?(pid) { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }
      guard let status = try ChildProcess.wait(pid, timeout: 20_000_000_000) else {
        ChildProcess.kill(pid, SIGKILL)
        _ = try ChildProcess.wait(pid)
        return Outcome(status: -1, output: "", errors: "did not end within 20 s")
      }
      return Outcome(
        status: status.shellStatus, output: try String(contentsOfFile: output, encoding: .utf8),
        errors: try String(contentsOfFile: errors, encoding: .utf8))
    }
  }

#endif
