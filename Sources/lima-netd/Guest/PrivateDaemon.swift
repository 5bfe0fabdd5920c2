// SPDX-License-Identifier: Apache-2.0
//
// PrivateDaemon: the daemon that `exec` starts if none is running: with the user's configuration and its own Lima home in a
// temporary directory, which is removed after the command. It ends if its parent is killed.

import Daemon
import FoundationEssentials
import Platform

#if os(Linux)

  import LibC

  struct PrivateDaemon {
    let pid: Int32
    let home: LimaHome

    /// Environment variable with the parent's process id; see `endWithParent`.
    private static let parentVariable = "LIMA_NETD_PARENT"
    /// Environment variable with the parent's home, for remedies in messages.
    private static let homeVariable = "LIMA_NETD_STARTERS_HOME"
    /// Timeout of the daemon's start, ns.
    private static let startTimeout: UInt64 = 10_000_000_000

    /// Starts it, and connects when it listens.
    /// - Parameter home: the home whose configuration it uses.
    static func start(
      for home: LimaHome, pluginDirectories: [String]
    ) throws -> (PrivateDaemon, MessageChannel) {
      let place = LimaHome(path: Temporary.path())
      try FileManager.default.createDirectory(
        atPath: place.path, withIntermediateDirectories: false,
        attributes: [.posixPermissions: 0o700])
      let log = place.path + "/log"
      do {
        var arguments = ["serve", "--lima-home", place.path]
        if Files.exists(home.configFile) {
          arguments += ["--config", home.configFile]
        }
        for directory in pluginDirectories { arguments += ["--plugin-dir", directory] }
        var environment = CurrentProcess.environment
        environment[parentVariable] = String(getpid())
        environment[homeVariable] = home.path
        let output = try Foreground.createFile(log)
        defer { Descriptor.close(output) }
        let daemon = PrivateDaemon(
          pid: try ChildProcess.spawn(
            ChildProcess.ownPath(), arguments,
            environment: environment.map { "\($0.key)=\($0.value)" }, output: output,
            newGroup: true),
          home: place)
        return (daemon, try daemon.connect(log: log))
      } catch {
        try? FileManager.default.removeItem(atPath: place.path)
        throw error
      }
    }

    /// In the daemon: the home whose configuration it uses; nil if it is no private daemon.
    static var startersHome: LimaHome? {
      CurrentProcess.environment[homeVariable].map { LimaHome(path: $0) }
    }

    /// Stops it and removes its files.
    func stop() {
      ChildProcess.kill(pid, SIGTERM)
      if (try? ChildProcess.wait(pid, timeout: 5_000_000_000)) ?? nil == nil {
        ChildProcess.kill(pid, SIGKILL)
        _ = try? ChildProcess.wait(pid)
      }
      try? FileManager.default.removeItem(atPath: home.path)
    }

    private func connect(log: String) throws -> MessageChannel {
      var patience = ChildPatience(limit: Self.startTimeout, now: MonotonicClock.now())
      var nextLook = MonotonicClock.now() &+ ChildPatience.interval
      while true {
        if MonotonicClock.now() >= nextLook {
          if patience.isOver(pid) { break }
          nextLook = MonotonicClock.now() &+ ChildPatience.interval
        }
        if let channel = try Attachment.connect(home) { return channel }
        if let status = try ChildProcess.poll(pid) {
          let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
          let lines = said.split(separator: "\n").suffix(5).joined(separator: "\n")
          throw CommandFailure(
            "The private daemon could not start: it \(status)" + (lines.isEmpty ? "" : "\n" + lines)
          )
        }
        _ = Foreground.wait([], milliseconds: 2)
      }
      stop()
      throw CommandFailure(
        "The private daemon did not listen within \(patience.text)",
        remedy: "Start one and see what it says:  lima-netd serve")
    }

    /// In the daemon, when it ends: its parent no longer exists to remove its files.
    static func removeFilesOfOrphan(_ home: LimaHome) {
      guard let parent = CurrentProcess.environment[parentVariable].flatMap({ Int32($0) }),
        getppid() != parent
      else { return }
      try? FileManager.default.removeItem(atPath: home.path)
    }

    /// In the daemon: requests SIGTERM from the kernel when its parent ends.
    static func endWithParent() {
      guard let parent = CurrentProcess.environment[parentVariable].flatMap({ Int32($0) })
      else { return }
      Foreground.endWithParent()
      if getppid() != parent { _ = kill(getpid(), SIGTERM) }
    }
  }

#endif
