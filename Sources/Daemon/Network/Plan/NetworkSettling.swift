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
  private var waiters: [Promise<Void, Never>] = []

  var isUnderWay: Bool { underWay > 0 }

  /// A request to the process begins, or what leads to one.
  mutating func begin() { underWay += 1 }

  /// Those who wait hear of it when nothing else is under way.
  mutating func end() {
    underWay -= 1
    guard underWay == 0 else { return }
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter.keep() }
  }

  /// - Returns: kept when nothing is under way.
  mutating func wait() -> Promise<Void, Never> {
    let settled = Promise<Void, Never>()
    if underWay > 0 { waiters.append(settled) } else { settled.keep() }
    return settled
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
