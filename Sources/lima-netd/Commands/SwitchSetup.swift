// SPDX-License-Identifier: Apache-2.0
//
// SwitchSetup: the interface of `network setup` on a bridge of Open vSwitch, with its port, which the helper does not
// create. Open vSwitch's database keeps the port over reboots, and ovs-vswitchd adds the interface whenever it appears.

import Daemon
import Platform

struct SwitchSetup {
  private let setup: HostSetup

  init(_ setup: HostSetup) { self.setup = setup }

  #if os(Linux)
    /// All of it, or nothing new; what is right already is left alone.
    func make(_ request: HostTapRequest) throws {
      if setup.isRight(request) { return }
      try setup.checkUnused()
      let wanted: String? = if case .bridge(let bridge) = request.place { bridge } else { nil }
      let before = try link(setup.interface)?.switchBridge
      // With the kernel's datapath the interface stays a port of the bridge that it was set up for.
      if let before, before != wanted {
        try? ask(OVSCommand.remove(setup.interface))
        do {
          try setup.helper(setup.words(request))
        } catch {
          // The interface may be in use.
          let port = OVSCommand.Port(tap: setup.interface, bridge: before, ifaceID: nil)
          try? ask(OVSCommand.add(port, .found))
          throw error
        }
      } else {
        try setup.helper(setup.words(request))
      }
      guard case .bridge(let bridge) = request.place else { return }
      guard try link(bridge)?.datapath != nil else {
        guard request.ifaceID == nil else {
          try undo()
          throw CommandFailure(
            "ifaceId is for bridges of Open vSwitch, and \(bridge) is none",
            remedy: "Take it out of the network's options.")
        }
        return
      }
      do throws(OVSFailure) {
        let port = OVSCommand.Port(
          tap: setup.interface, bridge: bridge, ifaceID: request.ifaceID)
        try ask(OVSCommand.add(port, .setUp))
      } catch {
        try? ask(OVSCommand.remove(setup.interface))
        try undo()
        throw CommandFailure(
          "Network \(setup.network) is not set up: \(error.sentence(bridge))",
          remedy: error.remedy(setup: "").flatMap { $0.isEmpty ? nil : "Mend it:  \($0)" })
      }
    }

    func remove() throws {
      let bridge = try link(setup.interface)?.switchBridge
      try setup.helper(["unsetup", setup.network])
      guard let bridge else { return }
      do throws(OVSFailure) {
        try ask(OVSCommand.remove(setup.interface))
      } catch {
        throw CommandFailure(
          "\(setup.interface) is gone, and still stands among the ports: \(error.sentence(bridge))",
          remedy: "Take it out:  sudo ovs-vsctl --if-exists del-port \(setup.interface)")
      }
    }

    private func undo() throws { try setup.helper(["unsetup", setup.network]) }

    private func link(_ name: String) throws -> HostTapLink? {
      var netlink = try Netlink()
      return try netlink.hostTap(named: name)
    }

    /// - Throws: also if other users than root could modify the program.
    private func ask(_ words: [String]) throws(OVSFailure) {
      guard let program = ProgramSearch.find(OVSCommand.program) else { throw .noProgram }
      if let flaw = HelperSafety.flaw(of: program) {
        throw .refused("root does not run \(program): \(flaw)")
      }
      let result: BoundedCommand.Result
      do throws(SystemError) {
        result = try BoundedCommand.run(program, words, seconds: OVSCommand.patience + 2)
      } catch {
        throw .system(error)
      }
      if let failure = OVSCommand.failure(result.status, result.errors) { throw failure }
    }
  #else
    func make(_ request: HostTapRequest) throws { try setup.helper(setup.words(request)) }
    func remove() throws { try setup.helper(["unsetup", setup.network]) }
  #endif
}
