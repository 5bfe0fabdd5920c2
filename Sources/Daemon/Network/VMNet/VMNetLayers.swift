// SPDX-License-Identifier: Apache-2.0
//
// VMNetLayers: what the manager of socket_vmnet needs of the system. Tests put their own in; the system's are macOS's
// but for the one call that tells a process's program.

import Platform

#if os(macOS)
  import LibC
#endif

struct VMNetLayers {
  enum PidFile: Equatable {
    case missing
    case unreadable(String)
    case pid(Int32)
  }

  /// Starts a program, its output to these files, which are begun anew; nil: to nowhere.
  var spawn:
    (_ words: [String], _ logs: (output: String, errors: String)?) throws(SystemError) -> Int32
  /// The end of a program that `spawn` started; nil: it runs.
  var poll: (Int32) -> ChildProcess.ExitStatus?
  var kill: (Int32) -> Void
  var exists: (_ path: String) -> Bool
  /// Why root must not run or write what lies there; nil: it may.
  var flaw: (NetworksPaths) -> String?
  var readPidFile: (_ path: String) -> PidFile
  /// The file of the program that a process runs; nil: there is no such process.
  var program: (Int32) -> String?
  /// Somebody accepts connections there.
  var answers: (_ socket: String) -> Bool
  /// The last line of a log; "" for none.
  var lastLine: (_ log: String) -> String
  /// Nanoseconds, monotonic.
  var now: () -> UInt64
  var schedule: (_ after: UInt64, _ action: @escaping () -> Void) -> Void

  #if os(macOS)
    static func system(_ loop: EventLoop) -> VMNetLayers {
      VMNetLayers(
        spawn: { words, logs throws(SystemError) in try Self.spawn(words, logs) },
        poll: { pid in
          // Collected by somebody else: it is gone all the same.
          do { return try ChildProcess.poll(pid) } catch { return .exited(-1) }
        },
        kill: { ChildProcess.kill($0, 9) },
        exists: { Files.exists($0) },
        flaw: { $0.flaw(daemonGroup: AccountNames.group(ofUser: "daemon") ?? 1) },
        readPidFile: { Self.pidFile($0) },
        program: { pid in
          var path = [UInt8](repeating: 0, count: 4096)
          let length = proc_pidpath(pid, &path, UInt32(path.count))
          if length > 0 { return String(decoding: path.prefix(Int(length)), as: UTF8.self) }
          return errno == ESRCH ? nil : ""
        },
        answers: { Self.answers($0) },
        lastLine: { NetworkLog.tail($0).last ?? "" },
        now: { MonotonicClock.now() },
        schedule: { [weak loop] delay, action in _ = loop?.schedule(after: delay, action) })
    }
  #endif

  static func spawn(
    _ words: [String], _ logs: (output: String, errors: String)?
  ) throws(SystemError) -> Int32 {
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    guard let logs else {
      return try ChildProcess.spawn(
        words[0], Array(words.dropFirst()), fds: [(from: null, to: 0)], output: null, newGroup: true
      )
    }
    Files.remove(logs.output)
    Files.remove(logs.errors)
    let output = try Files.openForAppending(logs.output, mode: 0o600)
    defer { Descriptor.close(output) }
    let errors = try Files.openForAppending(logs.errors, mode: 0o600)
    defer { Descriptor.close(errors) }
    return try ChildProcess.spawn(
      words[0], Array(words.dropFirst()),
      fds: [(from: null, to: 0), (from: output, to: 1), (from: errors, to: 2)], newGroup: true)
  }

  static func pidFile(_ path: String) -> PidFile {
    do throws(SystemError) {
      let text = String(decoding: try Files.read(path, limit: 64), as: UTF8.self)
      let digits = text.drop { $0.isWhitespace }.prefix { !$0.isWhitespace }
      guard let pid = Int32(digits), pid > 1 else { return .unreadable("it holds no process id") }
      return .pid(pid)
    } catch {
      return error.errno == .noSuchFile ? .missing : .unreadable("\(error)")
    }
  }

  static func answers(_ socket: String) -> Bool {
    guard let fd = try? UnixSocket.connect(path: socket) else { return false }
    Descriptor.close(fd)
    return true
  }
}
