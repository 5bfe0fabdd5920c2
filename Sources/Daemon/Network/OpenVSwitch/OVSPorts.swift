// SPDX-License-Identifier: Apache-2.0
//
// OVSPorts: the daemon's TAPs as ports of bridges of Open vSwitch. Its database outlives processes, TAPs and boots, so a port
// that was added is noted in a file before it is, until it is removed: what a daemon that was killed has left is removed by
// the next one. ovs-vsctl runs with this user's rights, one run at a time in the order asked for, so that a removal under way
// cannot meet the next addition. Loop thread.

import Platform

/// A port for as long as this is held.
final class OVSPort {
  private let tap: String
  private let ports: OVSPorts

  fileprivate init(_ tap: String, _ ports: OVSPorts) {
    self.tap = tap
    self.ports = ports
  }

  deinit { ports.remove(tap) }
}

package final class OVSPorts {
  typealias Answer = (Result<OVSPort?, OVSFailure>) -> Void
  private typealias Job = (_ done: @escaping () -> Void) -> Void

  private let loop: EventLoop
  private let notes: OVSNotes
  private let log: (String) -> Void
  /// Finds ovs-vsctl; tests give their own.
  var program: () -> String? = { ProgramSearch.find(OVSCommand.program) }
  private var jobs: [Job] = []
  private var isBusy = false
  private var whenIdle: [() -> Void] = []
  /// Held now, or about to be.
  private var held: Set<String> = []

  /// A little more than ovs-vsctl's own.
  private static let time = (OVSCommand.patience + 2) * 1_000_000_000

  /// - Parameters:
  ///   - file: where ports are noted.
  ///   - log: what is wrong, for people.
  package init(loop: EventLoop, file: String, log: @escaping (String) -> Void = { _ in }) {
    self.loop = loop
    self.log = log
    notes = OVSNotes(file)
  }

  // MARK: Ports

  /// Makes the TAP a port, anew: what is left of an earlier device of the name would not carry its frames. `answer` comes
  /// once, from the loop.
  func add(_ port: OVSCommand.Port, _ answer: @escaping Answer) {
    held.insert(port.tap)
    enqueue { [self] done in
      let fail: (OVSFailure) -> Void = { [self] failure in
        held.remove(port.tap)
        answer(.failure(failure))
        done()
      }
      notes.insert(port.tap)
      run(OVSCommand.remove(port.tap)) { [self] failure in
        if let failure {
          notes.remove(port.tap)
          return fail(failure)
        }
        let words: [String]
        do throws(OVSFailure) {
          words = try OVSCommand.add(port, .transient)
        } catch {
          notes.remove(port.tap)
          return fail(error)
        }
        run(words) { [self] failure in
          guard let failure else {
            answer(.success(OVSPort(port.tap, self)))
            return done()
          }
          // It may be in the database all the same.
          run(OVSCommand.remove(port.tap)) { [self] left in
            if left == nil { notes.remove(port.tap) }
            fail(failure)
          }
        }
      }
    }
  }

  /// One that a supervisor before this one has made.
  func resume(_ tap: String) -> OVSPort {
    held.insert(tap)
    return OVSPort(tap, self)
  }

  /// No run is under way.
  var isIdle: Bool { !isBusy }

  /// Sees to it that a TAP of `network setup` is the port that it was made. It stays one: no nil is answered but for that.
  /// Who may not ask Open vSwitch believes what root has set up.
  func confirm(_ port: OVSCommand.Port, _ answer: @escaping Answer) {
    enqueue { [self] done in
      let words: [String]
      do throws(OVSFailure) {
        words = try OVSCommand.add(port, .found)
      } catch {
        answer(.failure(error))
        return done()
      }
      run(words) { failure in
        switch failure {
        case nil, .denied, .noProgram: answer(.success(nil))
        case let failure?: answer(.failure(failure))
        }
        done()
      }
    }
  }

  /// Which bridge the database has it as a port of; nil: none.
  func bridge(of tap: String, _ answer: @escaping (Result<String?, OVSFailure>) -> Void) {
    enqueue { [self] done in
      ask(OVSCommand.bridge(of: tap)) { outcome in
        answer(outcome.flatMap { OVSCommand.bridge($0.status, $0.said) })
        done()
      }
    }
  }

  fileprivate func remove(_ tap: String) {
    held.remove(tap)
    enqueue { [self] done in
      run(OVSCommand.remove(tap)) { [self] failure in
        if let failure {
          log(
            "\(tap) is still a port of Open vSwitch, until this daemon starts again: \(failure)")
        } else {
          notes.remove(tap)
        }
        done()
      }
    }
  }

  /// Removes what a daemon before this one has left. An interface that is there is somebody's: perhaps of a process that
  /// is about to end, so it is looked at again a few times.
  package func start() {
    notes.load()
    sweep(rounds: 10)
  }

  private func sweep(rounds: Int) {
    let left = notes.all.subtracting(held)
    var isLater = false
    for tap in left.sorted() {
      guard !Self.exists(tap) else {
        isLater = true
        continue
      }
      log("\(tap), which a lima-netd left as a port of Open vSwitch, is removed")
      remove(tap)
    }
    guard isLater, rounds > 1 else { return }
    loop.schedule(after: 2_000_000_000) { [weak self] in self?.sweep(rounds: rounds - 1) }
  }

  private static func exists(_ interface: String) -> Bool {
    #if os(Linux)
      guard var netlink = try? Netlink() else { return true }
      // What cannot be asked for may be there.
      do { return try netlink.hostTap(named: interface) != nil } catch { return true }
    #else
      return false
    #endif
  }

  /// Calls back when nothing is under way. Each run is bounded in time.
  package func settle(_ done: @escaping () -> Void) {
    if isBusy { whenIdle.append(done) } else { done() }
  }

  // MARK: Runs

  private func enqueue(_ job: @escaping Job) {
    jobs.append(job)
    if !isBusy { next() }
  }

  private func next() {
    guard !jobs.isEmpty else {
      isBusy = false
      let waiting = whenIdle
      whenIdle = []
      for callback in waiting { callback() }
      return
    }
    isBusy = true
    let job = jobs.removeFirst()
    // From the loop: a queue of jobs that fail at once is no recursion.
    job { [self] in loop.later { self.next() } }
  }

  private func run(_ words: [String], _ answer: @escaping (OVSFailure?) -> Void) {
    ask(words) { outcome in
      switch outcome {
      case .success(let outcome): answer(OVSCommand.failure(outcome.status, outcome.said))
      case .failure(let failure): answer(failure)
      }
    }
  }

  private func ask(
    _ words: [String], _ answer: @escaping (Result<LoopCommand.Outcome, OVSFailure>) -> Void
  ) {
    guard let path = program() else { return answer(.failure(.noProgram)) }
    do throws(SystemError) {
      try LoopCommand.run([path] + words, within: Self.time, loop: loop) { answer(.success($0)) }
    } catch {
      answer(.failure(.system(error)))
    }
  }
}
