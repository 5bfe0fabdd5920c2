// SPDX-License-Identifier: Apache-2.0
//
// The loop as an actor: where jobs run and in which order; and that a request gets one answer, whatever becomes of the process.

import HostProtocol
import LibC
import Platform
import Synchronization
import Testing

@testable import Daemon

@Suite("The loop as an actor", .serialized, .ownThread, .timeLimit(.minutes(2)))
struct LoopTests {
  /// What jobs of several threads note.
  private final class Notes: Sendable {
    private let all = Mutex<[Int]>([])
    private let strangers = Atomic(0)
    let loop = ThreadID.current

    var numbers: [Int] { all.withLock { $0 } }
    /// Jobs that ran on another thread than the loop's.
    var elsewhere: Int { strangers.load(ordering: .relaxed) }

    func note(_ number: Int) {
      if ThreadID.current != loop { strangers.add(1, ordering: .relaxed) }
      all.withLock { $0.append(number) }
    }
  }

  @Test func `tasks of the loop run on its thread in the order in which they were begun`() throws {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let notes = Notes()
    // More than a turn takes, begun from a callback and from tasks.
    let count = 3 * LoopExecutor.mostJobs
    loop.later {
      for number in 0..<count {
        actor.begin {
          notes.note(number)
          actor.begin { notes.note(count + number) }
        }
      }
      #expect(notes.numbers.isEmpty, "a task runs inside the callback that begins it")
    }
    for _ in 0..<100 where notes.numbers.count < 2 * count { loop.turn(limit: 1_000_000) }
    let (first, second) = (
      notes.numbers.filter { $0 < count }, notes.numbers.filter { $0 >= count }
    )
    #expect(first == Array(0..<count) && second == Array(count..<2 * count))
    #expect(notes.elsewhere == 0)
  }

  @Test func `what waits for nothing is finished, though nothing happens on the loop`() throws {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    #expect(actor.finish(on: loop) { 7 } == 7)
    let promise = Promise<Int, Never>()
    promise.keep(.success(8))
    #expect(actor.finish(on: loop) { await promise.value() } == 8)
  }

  @Test func `jobs of other threads run on the loop's, each once and in their order`() throws {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let notes = Notes()
    let (threads, each) = (4, 500)
    let pool = WorkerPool<Int, Int>(
      threads: threads, queue: threads,
      work: { thread in
        for number in 0..<each { actor.submit { notes.note(thread * each + number) } }
        return thread
      }, notify: {})
    for thread in 0..<threads { #expect(pool.submit(UInt64(thread), thread)) }
    for _ in 0..<2000 where notes.numbers.count < threads * each { loop.turn(limit: 5_000_000) }
    for thread in 0..<threads {
      #expect(
        notes.numbers.filter { $0 / each == thread } == Array(thread * each..<(thread + 1) * each))
    }
    #expect(notes.numbers.count == threads * each && notes.elsewhere == 0)
    #expect(pool.stop(within: 10_000))
  }

  @Test func `jobs without end leave descriptors and timers their turn`() throws {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    var isOver = false
    func goOn() {
      actor.begin { if !isOver { goOn() } }
    }
    goOn()
    loop.schedule(after: 1_000_000) { isOver = true }
    for _ in 0..<1000 where !isOver { loop.turn(limit: 1_000_000) }
    #expect(isOver)
  }

  @Test func `a promise holds what came first, for all who wait and for those who come later`()
    throws
  {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let promise = Promise<Int, HostError>()
    var heard: [Int] = []
    for _ in 0..<2 { actor.begin { heard.append((try? await promise.value()) ?? -1) } }
    loop.turn(limit: 0)
    #expect(heard.isEmpty)
    promise.keep(.success(1))
    promise.fail(HostError(.timeout, "too late"))
    actor.begin { heard.append((try? await promise.value()) ?? -1) }
    loop.turn(limit: 0)
    #expect(heard == [1, 1, 1])
  }

  // MARK: One answer

  private func running(_ fixture: Fixture) throws -> (Network, HostLink) {
    let network = try fixture.network()
    network.demand.isPinned = true
    _ = network.whenRunning()
    #expect(fixture.until { network.state == .running })
    return (network, try #require(network.core.running))
  }

  @Test func `a request is answered when the process dies, and the next process serves`() throws {
    let fixture = try Fixture()
    let (network, link) = try running(fixture)
    ChildProcess.kill(link.pid, SIGSTOP)
    var answers: [Result<HostReply, HostError>] = []
    fixture.supervisor.actor.begin {
      do throws(HostError) {
        answers.append(.success(try await link.ask(.resolve(ResolveSpec(message: "")))))
      } catch {
        answers.append(.failure(error))
      }
    }
    fixture.pass(0.05)
    #expect(answers.isEmpty)
    ChildProcess.kill(link.pid, SIGKILL)
    #expect(fixture.until { !answers.isEmpty })
    guard case .failure(let error)? = answers.first else {
      Issue.record("a process that was killed has answered")
      return
    }
    #expect(error.message.contains("ended"))
    #expect(fixture.until { network.core.running.map { $0 !== link } ?? false })
    #expect(answers.count == 1)
    // Who asks the dead one is told at once.
    let late: Result<HostReply, ErrorReport> = try fixture.result {
      try await network.core.ask(link, .status)
    }
    #expect(throws: ErrorReport.self) { try late.get() }
  }

  @Test func `an answer that comes after its deadline is dropped, and what it did is undone`()
    throws
  {
    let fixture = try Fixture()
    let (network, link) = try running(fixture)
    ChildProcess.kill(link.pid, SIGSTOP)
    var added: Result<Forward, ErrorReport>?
    fixture.supervisor.actor.begin {
      do throws(ErrorReport) {
        added = .success(
          try await network.forwards.add(
            Forward(protocol: "tcp", host: "127.0.0.1:18080", guest: "10.0.0.9:80")))
      } catch {
        added = .failure(error)
      }
    }
    // Two seconds that it has for a list; an address has 30, unless the watchdog sees that it stands still.
    let listed: Result<[LeaseReport], ErrorReport> = try fixture.result {
      try await network.leases.list()
    }
    #expect(throws: ErrorReport.self) { try listed.get() }
    link.disappoint(HostError(.timeout, "it does not respond"))
    #expect(fixture.until { added != nil })
    guard case .failure(let error)? = added else {
      Issue.record("a process that was stopped has answered")
      return
    }
    #expect(error.code == HostError.Code.timeout.rawValue, "\(error)")
    ChildProcess.kill(link.pid, SIGCONT)
    #expect(fixture.until { fixture.requests().last == "unexpose 127.0.0.1:18080" })
    #expect(network.forwards.open.isEmpty && network.core.running === link)
  }

  @Test func `whoever waits for a network is answered when the daemon stops`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: garbage"))
    var answers: [Result<NetworkReport, ErrorReport>] = []
    fixture.supervisor.actor.begin {
      do throws(ErrorReport) {
        answers.append(.success(try await fixture.supervisor.startNetwork("lab")))
      } catch {
        answers.append(.failure(error))
      }
    }
    let network = try fixture.network()
    #expect(fixture.until { network.link != nil || network.lastExit != nil })
    var reloads: [Bool] = []
    fixture.supervisor.actor.begin {
      reloads.append((try? await fixture.supervisor.reloaded()) != nil)
    }
    fixture.supervisor.shutdown("the test says so")
    #expect(fixture.until { answers.count == 1 && reloads.count == 1 })
    #expect(throws: ErrorReport.self) { try answers[0].get() }
    #expect(fixture.until { !Files.exists(fixture.home.pidFile) })
    #expect(answers.count == 1 && reloads.count == 1)
  }

  @Test func `what is asked of a daemon that has ended is answered with that`() throws {
    let fixture = try Fixture()
    let bridge = fixture.supervisor.bridge
    fixture.supervisor.shutdown("the test says so")
    #expect(fixture.until { !Files.exists(fixture.home.pidFile) })
    var refusals: [String] = []
    fixture.supervisor.actor.begin {
      do {
        _ = try await bridge.ask { await $0.status() }
      } catch {
        refusals.append("\(error)")
      }
    }
    #expect(fixture.until { !refusals.isEmpty })
    #expect(refusals == ["the daemon stops"])
  }
}
