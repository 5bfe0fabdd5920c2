// SPDX-License-Identifier: Apache-2.0
//
// ServiceRequests: who waits for networks.yaml to be read again, and whether the daemon is to be started again when it has
// ended. Loop thread.

import HostProtocol
import Platform

final class ServiceRequests {
  typealias Answer = (Result<ReloadReport, ErrorReport>) -> Void

  /// Once, when stopping begins.
  var onStop: () -> Void = {}
  var startsAgain = false

  private var asked: [Answer] = []
  private var waiting: [(left: Int, answer: Answer)] = []
  /// The last reading that changed something.
  private var last: ReloadReport.Earlier?
  private var ended = false

  /// Answers with what the reading that begins next comes to.
  func ask(_ answer: @escaping Answer) {
    guard !ended else { return answer(.failure(Self.stopping)) }
    asked.append(answer)
  }

  /// A reading begins.
  /// - Parameter outstanding: how many come to their end up to and with it.
  func expect(_ outstanding: Int) {
    waiting += asked.map { (max(1, outstanding), $0) }
    asked = []
  }

  /// A reading came to its end.
  func reread(_ result: Result<ReloadReport, ErrorReport>) {
    var result = result
    if case .success(var report) = result {
      if report.changes.isEmpty {
        report.earlier = last
        result = .success(report)
      } else {
        last = .init(time: WallClock.timestamp(), changes: report.changes)
      }
    }
    waiting = waiting.map { ($0.left - 1, $0.answer) }
    let done = waiting.filter { $0.left <= 0 }
    waiting.removeAll { $0.left <= 0 }
    for waiter in done { waiter.answer(result) }
  }

  /// The daemon stops: nothing is read any more.
  func stops() {
    ended = true
    onStop()
    let all = asked + waiting.map(\.answer)
    (asked, waiting) = ([], [])
    for answer in all { answer(.failure(Self.stopping)) }
  }

  private static let stopping = ErrorReport(
    code: HostError.Code.busy.rawValue, message: "the daemon stops")
}
