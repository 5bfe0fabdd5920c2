// SPDX-License-Identifier: Apache-2.0
//
// PluginInspector: looks at one plugin file in a throw-away process (`lima-netd-host inspect FILE`), because opening a
// library runs its code. A crash or a hang there is that file's error. What the file starts ends with the process: one
// that forks would hold the pipe open for ever, and with it the answer. Where a process gives no answer, another one is asked
// about a file that is no plugin: without an answer to that it is lima-netd-host that is broken, and no plugin is blamed.
// Loop thread.

import HostProtocol
import JSONCoding
import Platform

final class PluginInspector {
  private typealias Answer = Promise<Inspection, Never>

  private let executable: String
  private let loop: EventLoop
  private var waiting: [(file: String, answer: Answer)] = []
  private var running: [Int32: Job] = [:]
  /// Files whose process gave no answer, while it is found out whose fault that is.
  private var suspects: [(job: Job, status: ChildProcess.ExitStatus)] = []
  private var isProbing = false

  private static let concurrency = 4
  /// ns, as the inspection can use them.
  private static let timeout: UInt64 = 5_000_000_000
  /// Bytes of what an inspection says, a plugin's schema among it: the loop takes it apart in some milliseconds.
  private static let maximumOutput = 256 << 10

  private final class Job {
    let file: String
    let pid: Int32
    let output: Int32
    let answer: Answer
    var patience = ChildPatience(limit: PluginInspector.timeout, now: MonotonicClock.now())
    /// What is looked at is lima-netd-host.
    let isProbe: Bool
    var bytes: [UInt8] = []
    var timedOut = false
    var isPipeOpen = true
    var timer: EventLoop.TimerID?
    /// Becomes readable at the process's end; -1 where there is no such thing: the pipe's end stands for it.
    var end: Int32 = -1

    init(file: String, pid: Int32, output: Int32, isProbe: Bool, answer: Answer) {
      self.isProbe = isProbe
      self.file = file
      self.pid = pid
      self.output = output
      self.answer = answer
    }
  }

  init(executable: String, loop: EventLoop) {
    self.executable = executable
    self.loop = loop
  }

  /// At most four files are looked at at once.
  func inspect(_ file: String) async -> Inspection {
    let answer = Answer()
    waiting.append((file, answer))
    next()
    return await answer.value()
  }

  private func next() {
    while running.count < Self.concurrency, !waiting.isEmpty {
      let (file, answer) = waiting.removeFirst()
      do throws(SystemError) {
        try begin(file, answer)
      } catch {
        answer.keep(
          .success(
            Inspection(file: file, reason: .loadFailed, detail: "\(HostTrouble(error))")))
      }
    }
  }

  /// - Parameter isProbe: its standard error is kept, too.
  private func begin(
    _ file: String, isProbe: Bool = false, _ answer: Answer
  ) throws(SystemError) {
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.write) }
    let pid: Int32
    do throws(SystemError) {
      try Descriptor.setNonBlocking(pipe.read)
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      pid = try ChildProcess.spawn(
        executable, ["inspect", file], environment: HostEnvironment.variables,
        fds: [
          (from: null, to: 0), (from: pipe.write, to: 1),
          (from: isProbe ? pipe.write : null, to: 2),
        ],
        newGroup: true)
    } catch {
      Descriptor.close(pipe.read)
      throw error
    }
    let job = Job(file: file, pid: pid, output: pipe.read, isProbe: isProbe, answer: answer)
    running[pid] = job
    look(job)
    try loop.add(pipe.read, .read) { [weak self, weak job] _ in
      guard let self, let job else { return }
      read(job)
    }
    #if os(Linux)
      job.end = (try? ChildProcess.watch(pid)) ?? -1
      if job.end >= 0 {
        try loop.add(job.end, .read) { [weak self, weak job] _ in
          guard let self, let job else { return }
          // What it wrote is in the pipe, whoever holds the other end.
          read(job)
          finish(job)
        }
      }
    #endif
  }

  private func look(_ job: Job) {
    job.timer = loop.schedule(after: ChildPatience.interval) { [weak self, weak job] in
      guard let self, let job, job.timer != nil else { return }
      guard job.patience.isOver(job.pid) else { return look(job) }
      job.timedOut = true
      ChildProcess.killGroup(of: job.pid)
      if job.end < 0 { finish(job) }
    }
  }

  private func finish(_ job: Job) {
    guard running[job.pid] === job, job.timer != nil else { return }
    if let timer = job.timer { loop.cancel(timer) }
    job.timer = nil
    closePipe(job)
    if job.end >= 0 {
      loop.remove(job.end)
      Descriptor.close(job.end)
    }
    // Not reaped yet: the number is still its own.
    ChildProcess.killGroup(of: job.pid)
    reap(job, pause: 200_000)
  }

  private func closePipe(_ job: Job) {
    guard job.isPipeOpen else { return }
    job.isPipeOpen = false
    loop.remove(job.output)
    Descriptor.close(job.output)
  }

  private func read(_ job: Job) {
    guard job.isPipeOpen else { return }
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = Files.readSome(job.output, &buffer)
      if count < 0, Errno.current == .wouldBlock { return }
      if count <= 0 { break }
      job.bytes += buffer[..<count]
      if job.bytes.count > Self.maximumOutput {
        ChildProcess.killGroup(of: job.pid)
        break
      }
    }
    closePipe(job)
    if job.end < 0 { finish(job) }
  }

  private func reap(_ job: Job, pause: UInt64) {
    let status: ChildProcess.ExitStatus
    do throws(SystemError) {
      guard let ended = try ChildProcess.poll(job.pid) else {
        loop.schedule(after: pause) { [weak self] in
          self?.reap(job, pause: min(pause * 2, 20_000_000))
        }
        return
      }
      status = ended
    } catch {
      status = .exited(-1)
    }
    running.removeValue(forKey: job.pid)
    if job.isProbe {
      probed(job, status)
    } else if let inspection = Self.answer(of: job, status) {
      job.answer.keep(.success(inspection))
    } else {
      suspects.append((job, status))
      probe()
    }
    next()
  }

  // MARK: Whose fault it is

  private func probe() {
    guard !isProbing else { return }
    isProbing = true
    do throws(SystemError) {
      try begin("/dev/null", isProbe: true, Answer())
    } catch {
      let trouble = HostTrouble(error)
      loop.later { [weak self] in self?.judge(trouble) }
    }
  }

  private func probed(_ job: Job, _ status: ChildProcess.ExitStatus) {
    guard Self.answer(of: job, status) == nil else { return judge(nil) }
    judge(
      HostTrouble(
        status: job.timedOut ? nil : status, said: String(decoding: job.bytes, as: UTF8.self)))
  }

  /// - Parameter trouble: of lima-netd-host; nil: it works.
  private func judge(_ trouble: HostTrouble?) {
    isProbing = false
    let suspects = suspects
    self.suspects = []
    for (job, status) in suspects {
      job.answer.keep(
        .success(trouble.map { Self.failure(job.file, $0) } ?? Self.verdict(job, status)))
    }
    guard let trouble else { return }
    // Nor would these have an answer.
    let waiting = waiting
    self.waiting = []
    for (file, answer) in waiting { answer.keep(.success(Self.failure(file, trouble))) }
  }

  private static func failure(_ file: String, _ trouble: HostTrouble) -> Inspection {
    Inspection(file: file, reason: .loadFailed, detail: "\(trouble)")
  }

  private static func answer(of job: Job, _ status: ChildProcess.ExitStatus) -> Inspection? {
    guard !job.timedOut, status.isSuccess else { return nil }
    return try? JSONText.decode(Inspection.self, from: job.bytes)
  }

  private static func verdict(_ job: Job, _ status: ChildProcess.ExitStatus) -> Inspection {
    if job.timedOut {
      return Inspection(
        file: job.file, reason: .timeout,
        detail:
          "its entry did not return within \(job.patience.text) (an entry must be pure and quick)")
    }
    if case .killed = status {
      return Inspection(
        file: job.file, reason: .crashed,
        detail: "looking at it crashed: \(status)")
    }
    return Inspection(
      file: job.file, reason: .loadFailed,
      detail: "it could not be inspected: the inspector \(status)")
  }
}
