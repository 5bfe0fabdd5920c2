// SPDX-License-Identifier: Apache-2.0
//
// NetworkSettling: what became of a configuration that a running network was given: what its plugin refused, and who waits
// to hear. A value.

struct NetworkSettling {
  /// Why the egress rules, and the other options, of the configuration do not hold; nil: they do, or wait for a start.
  var egressRefusal: ErrorReport?
  var optionsRefusal: ErrorReport?
  /// Why its plugins would not take the configuration, of a network at rest.
  var validation: ErrorReport?

  private var underWay = 0
  private var waiters: [() -> Void] = []

  var isUnderWay: Bool { underWay > 0 }

  /// A request to the process begins, or what leads to one.
  mutating func begin() { underWay += 1 }

  /// - Returns: who is to be told, when nothing else is under way.
  mutating func end() -> [() -> Void] {
    underWay -= 1
    guard underWay == 0 else { return [] }
    defer { waiters = [] }
    return waiters
  }

  /// - Returns: false: nothing is under way, and `waiter` is not called.
  mutating func wait(_ waiter: @escaping () -> Void) -> Bool {
    guard underWay > 0 else { return false }
    waiters.append(waiter)
    return true
  }

  /// The process has ended: the next one would be refused what this one was.
  mutating func processEnded() {
    validation = egressRefusal ?? optionsRefusal
    egressRefusal = nil
    optionsRefusal = nil
  }

  /// Other settings, or a process that has taken them.
  mutating func forgetRefusals() {
    egressRefusal = nil
    optionsRefusal = nil
    validation = nil
  }
}
