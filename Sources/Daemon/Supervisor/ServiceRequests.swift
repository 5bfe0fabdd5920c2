// SPDX-License-Identifier: Apache-2.0
//
// ServiceRequests: who waits for networks.yaml to be read again, and whether the daemon is to be started again when it has
// ended. Loop thread.

import HostProtocol
import Platform

final class ServiceRequests {
  typealias Reading = Int
  private typealias Answer = Promise<ReloadReport, ErrorReport>

  /// Once, when stopping begins.
  var onStop: () -> Void = {}
  var startsAgain = false

  private var asked: [Answer] = []
  private var waiting: [(left: Int, answer: Answer)] = []
  /// The last reading that changed something.
  private(set) var last: ReloadReport.Earlier?
  /// Readings that have begun to hold, in their order, and what those that are done came to.
  private var readings: [(number: Reading, outcome: (() -> Result<ReloadReport, ErrorReport>?)?)] =
    []
  private var count: Reading = 0
  private var ended = false

  /// What the reading that begins next comes to.
  /// - Parameter begin: has the file read.
  func reading(_ begin: () -> Void) async throws(ErrorReport) -> ReloadReport {
    guard !ended else { throw Self.stopping }
    let answer = Answer()
    asked.append(answer)
    begin()
    return try await answer.value()
  }

  /// A reading begins.
  /// - Parameter outstanding: how many come to their end up to and with it.
  func expect(_ outstanding: Int) {
    waiting += asked.map { (max(1, outstanding), $0) }
    asked = []
  }

  /// What was read holds from now on, or is refused; networks may have to answer yet what it asks of them.
  func begin() -> Reading {
    count += 1
    readings.append((count, nil))
    return count
  }

  /// All of them have.
  /// - Parameter outcome: asked for when the readings before are told; nil: the daemon is gone.
  func end(_ reading: Reading, _ outcome: @escaping () -> Result<ReloadReport, ErrorReport>?) {
    guard let index = readings.firstIndex(where: { $0.number == reading }) else { return }
    readings[index].outcome = outcome
    while let next = readings.first?.outcome {
      readings.removeFirst()
      if let result = next() { tell(result) }
    }
  }

  private func tell(_ result: Result<ReloadReport, ErrorReport>) {
    if case .success(let report) = result {
      let changes = report.changes.filter { $0.change != "unchanged" }
      if !changes.isEmpty { last = .init(time: WallClock.timestamp(), changes: changes) }
    }
    waiting = waiting.map { ($0.left - 1, $0.answer) }
    let done = waiting.filter { $0.left <= 0 }
    waiting.removeAll { $0.left <= 0 }
    for waiter in done { waiter.answer.keep(result) }
  }

  /// The daemon stops: nothing is read any more.
  func stops() {
    ended = true
    onStop()
    let all = asked + waiting.map(\.answer)
    (asked, waiting) = ([], [])
    for answer in all { answer.fail(Self.stopping) }
  }

  static let stopping = ErrorReport(.busy, "the daemon stops")
}
