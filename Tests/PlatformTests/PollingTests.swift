// SPDX-License-Identifier: Apache-2.0
import LibC
import Platform
import Testing

@Suite(.timeLimit(.minutes(5))) struct PollingTests {
  @Test func aPollerTellsTokenAndEvents() throws {
    let poller = try Poller()
    let (a, b) = try UnixSocket.pair()
    defer { close(a) }
    #expect(poller.add(a, .read, token: 42) == 0)
    #expect(poller.add(a, .read, token: 43) == -EEXIST)
    #expect(poller.wait(timeout: 0) == 0)
    #expect(write(b, "x", 1) == 1)
    #expect(poller.wait(timeout: -1) == 1)
    #expect(poller.event(0).token == 42)
    #expect(poller.event(0).events == .read)
    #expect(poller.modify(a, .write, token: 44) == 0)
    #expect(poller.wait(timeout: -1) == 1)
    #expect(poller.event(0).token == 44)
    #expect(poller.event(0).events == .write)
    #expect(poller.modify(a, .read, token: 44) == 0)
    close(b)
    #expect(poller.wait(timeout: -1) == 1)
    #expect(poller.event(0).events.isSuperset(of: [.read, .hangup, .error]))
    poller.remove(a)
    #expect(poller.wait(timeout: 0) == 0)
    #expect(poller.modify(a, .read, token: 44) == -ENOENT)
  }

  @Test func aHalfClosedPeerThatIsNotReadDoesNotSpin() throws {
    let poller = try Poller()
    let (a, b) = try UnixSocket.pair()
    defer {
      close(a)
      close(b)
    }
    #expect(poller.add(a, [], token: 1) == 0)
    #expect(shutdown(b, Int32(SHUT_WR)) == 0)
    #expect(poller.wait(timeout: 1_000_000) == 0)
  }

  @Test func waitingIsFinerThanAMillisecond() throws {
    let poller = try Poller()
    let began = MonotonicClock.now()
    for _ in 0..<10 { #expect(poller.wait(timeout: 50_000) == 0) }
    #expect(MonotonicClock.now() - began >= 500_000)
  }

  @Test func timersFireInOrderAndStaleIDsAreIgnored() {
    var heap = TimerHeap(limit: 100)
    let times: [UInt64] = [50, 10, 30, 10, 40, 20]
    var ids: [UInt64] = []
    for (index, time) in times.enumerated() { ids.append(heap.arm(time, UInt64(index))) }
    #expect(heap.cancel(ids[4]) == 4)
    #expect(heap.cancel(ids[4]) == nil)
    #expect(heap.cancel(0) == nil)
    #expect(heap.next == 10)
    #expect(heap.popDue(9) == nil)
    var fired: [UInt64] = []
    while let timer = heap.popDue(100) { fired.append(timer.payload) }
    #expect(fired == [1, 3, 5, 2, 0])
    #expect(heap.cancel(ids[0]) == nil)
    // A slot used again has another id.
    #expect(!ids.contains(heap.arm(1, 9)))
  }

  @Test func whatIsArmedWhileTimersAreTakenWaitsForTheNextRound() {
    var heap = TimerHeap(limit: 10)
    _ = heap.arm(5, 1)
    let armed = heap.lastArmed
    #expect(heap.popDue(10, armedUpTo: armed)?.payload == 1)
    _ = heap.arm(0, 2)
    #expect(heap.popDue(10, armedUpTo: armed) == nil)
    #expect(heap.popDue(10)?.payload == 2)
  }

  @Test func aHeapAgreesWithASortedListForRandomWork() {
    var heap = TimerHeap(limit: 1000)
    var model: [(id: UInt64, time: UInt64)] = []
    var random = SystemRandomNumberGenerator()
    for _ in 0..<5000 {
      switch UInt64.random(in: 0..<4, using: &random) {
      case 0, 1:
        let time = UInt64.random(in: 0..<1000, using: &random)
        let id = heap.arm(time, time)
        if model.count < 1000 { model.append((id, time)) } else { #expect(id == 0) }
      case 2 where !model.isEmpty:
        let gone = model.remove(at: Int.random(in: 0..<model.count, using: &random))
        #expect(heap.cancel(gone.id) == gone.time)
      default:
        guard let least = model.map(\.time).min() else { continue }
        #expect(heap.next == least)
        let popped = heap.popDue(least)
        #expect(popped?.payload == least)
        model.removeAll { $0.id == popped?.id }
      }
      #expect(heap.count == model.count)
    }
  }

  @Test func anEventLoopRunsFdsTimersWakesAndDeferredWork() throws {
    let loop = try EventLoop()
    let (a, b) = try UnixSocket.pair()
    defer {
      close(a)
      close(b)
    }
    var seen: [String] = []
    try loop.add(a, .read) { _ in
      seen.append("fd")
      loop.remove(a)
      loop.later { seen.append("later") }
    }
    loop.onWake = { seen.append("wake") }
    loop.schedule(after: 5_000_000) {
      seen.append("timer")
      loop.stop()
    }
    let cancelled = loop.schedule(after: 1_000_000) { seen.append("cancelled") }
    loop.cancel(cancelled)
    #expect(write(b, "x", 1) == 1)
    loop.waker.wake()
    loop.waker.wake()
    loop.run()
    #expect(seen.sorted() == ["fd", "later", "timer", "wake"])
  }

  @Test func aFdRemovedInATurnHearsNothingMoreOfIt() throws {
    let loop = try EventLoop()
    let (a, b) = try UnixSocket.pair()
    let (c, d) = try UnixSocket.pair()
    defer { for fd in [a, b, c, d] { close(fd) } }
    var calls = 0
    for fd in [a, c] {
      try loop.add(fd, .read) { _ in
        calls += 1
        loop.remove(a)
        loop.remove(c)
      }
    }
    #expect(write(b, "x", 1) == 1)
    #expect(write(d, "x", 1) == 1)
    loop.turn(limit: 1_000_000)
    #expect(calls == 1)
  }
}
