// SPDX-License-Identifier: Apache-2.0
//
// DetachedAttach: `attach --detach`: runs the same command in the background, in a new session. This process ends when the
// namespace is connected, or with the other's exit status if it failed.

import ArgumentParser
import Platform

#if os(Linux)

  import LibC

  enum DetachedAttach {
    /// Marks the process in the background.
    static let variable = "LIMA_NETD_DETACHED"

    static var isHere: Bool { CurrentProcess.environment[variable] != nil }

    /// - Parameters:
    ///   - arguments: the command's arguments, without the program.
    ///   - userDescriptor: the user's --ready-fd, which the other process inherits.
    ///   - isQuiet: the other process prints all output, with --json.
    static func run(_ arguments: [String], userDescriptor: Int32?, isQuiet: Bool) throws {
      let ready = try Descriptor.pipe()
      defer { Descriptor.close(ready.read) }
      let pid: Int32
      do {
        defer { Descriptor.close(ready.write) }
        let null = try Files.openNull()
        defer { Descriptor.close(null) }
        let there = (userDescriptor ?? 2) + 1
        var fds = [(from: null, to: Int32(0)), (from: ready.write, to: there)]
        if let userDescriptor { fds.append((from: userDescriptor, to: userDescriptor)) }
        pid = try ChildProcess.spawn(
          ChildProcess.ownPath(), arguments,
          environment: (CurrentProcess.environment.merging([variable: String(there)]) { $1 }).map {
            "\($0.key)=\($0.value)"
          }, fds: fds)
      }
      var byte: [UInt8] = [0]
      _ = try Descriptor.wait(ready.read, .read, timeout: -1)
      guard Files.readSome(ready.read, &byte) > 0 else {
        // The other process has printed the reason.
        throw ExitCode(try ChildProcess.wait(pid).shellStatus)
      }
      guard !isQuiet else { return }
      StandardOutput.print("Process \(pid) keeps it attached; it ends by:  kill \(pid)")
    }

    /// In the other process: reports that the namespace is connected.
    static func tellReady() {
      guard let fd = CurrentProcess.environment[variable].flatMap({ Int32($0) }) else { return }
      _ = write(fd, "1", 1)
      Descriptor.close(fd)
    }
  }

#endif
