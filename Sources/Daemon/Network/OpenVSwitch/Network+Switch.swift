// SPDX-License-Identifier: Apache-2.0
//
// A port of Open vSwitch that nobody reads any more: its administrator has taken it away, or ovs-vswitchd restarts. The kernel
// does not say which, the switch's database does. A port that was taken away is made again, as on a bridge of Linux; where
// this user may not ask, the command that root needs is told. Loop thread.

import Logging

extension Network {
  /// Finds out what became of the port, and mends it.
  func askSwitch(_ held: HeldTap) {
    guard case .bridge(let bridge) = held.request.place else { return }
    context.taps.ports.bridge(of: held.spec.name) { [weak self] answer in
      guard let self, tap === held, state == .running, let link, case .unserved = tapTrouble else {
        return
      }
      let gone = "its interface \(held.spec.name) is no port of \(bridge) any more"
      switch answer {
      // It stays one, and is read again as soon as the switch runs.
      case .success(bridge): break
      case .success(let other):
        log(.error, gone + (other.map { ", but of \($0)" } ?? ""))
        lose(gone, link)
      case .failure(let failure):
        let remedy = failure.remedy(setup: setupCommand) ?? setupCommand
        let text = "\(gone), or Open vSwitch does not run. Mend it:  \(remedy)"
        tapTrouble = .unserved(text)
        log(.error, text)
      }
    }
  }

  private var setupCommand: String {
    HostTapAdvice(network: name, command: context.command, home: context.homeWords).setup
  }
}
