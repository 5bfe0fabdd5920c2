// SPDX-License-Identifier: Apache-2.0
//
// HostTapMaker: gets a network its TAP in the first of three ways that works:
//   1. one that `network setup` made and this user owns: nothing is asked of anybody;
//   2. lima-netd-tap by sudo, if sudo asks no password (a NOPASSWD line of fixed words);
//   3. lima-netd-tap itself, when this process is root.
// The helper runs while the loop goes on, for at most `patience`. Loop thread.

import LibC
import HostProtocol
import Platform

final class HostTapMaker {
  private let loop: EventLoop
  private let helper: String
  /// Ports of bridges that ovs-vsctl changes.
  let ports: OVSPorts
  private let user: UInt32
  /// The daemon's own: who holds an interface for another one is told.
  private let home: String
  /// Finds sudo; tests give their own.
  var sudo: () -> String? = { ProgramSearch.find("sudo") }
  /// Why root must not run the helper; tests give their own.
  var judge: (String) -> PathFlaw? = { HelperSafety.flaw(of: $0) }
  /// Looks at a bridge before anybody is asked for a port of it; tests give their own.
  var bridges = BridgeCheck()
  /// The host's addresses; tests give their own.
  var hostAddresses: () -> [HostAddress] = { (try? HostInterfaces.addresses()) ?? [] }
  var hostAddresses6: () -> [HostAddress6] = { (try? HostInterfaces.addresses6()) ?? [] }
  /// sudo notes every refusal in the system's log: it is not asked again until then.
  var refusals: [HostTapRequest: (until: UInt64, error: HostTapError)] = [:]

  private static let patience: UInt64 = 20_000_000_000
  private static let pause: UInt64 = 10_000_000_000
  /// Nor is a TAP made for nothing every second that a guest tries.
  private static let shortPause: UInt64 = 3_000_000_000

  init(
    loop: EventLoop, helper: String, ports: OVSPorts,
    user: UInt32 = CurrentProcess.effectiveUser, home: String = ""
  ) {
    self.home = home
    self.loop = loop
    self.ports = ports
    self.helper = helper
    self.user = user
  }

  func obtain(_ request: HostTapRequest) async throws(HostTapError) -> HeldTap {
    #if os(Linux)
      do throws(HostTapError) {
        if case .bridge(let bridge) = request.place, let reason = bridges.refusal(of: bridge) {
          throw .unsuitable(reason)
        }
        let path = try datapath(of: request)
        if let held = try attachToOwn(request) {
          return try await join(held, path, lasts: true)
        }
        if case .bridge(let bridge) = request.place, BridgedInterface.look(at: bridge) == .missing {
          throw .missing(interface: bridge)
        }
        // The helper looks, too; it does not know whose the other one is.
        if case .address(let wanted) = request.place,
          let clash = SubnetOwner.find(of: wanted, except: "", among: hostAddresses())
        {
          throw .subnetTaken(wants: wanted, interface: clash.interface, has: clash.text)
        }
        if let wanted = request.address6,
          let clash = SubnetOwner.find6(of: wanted, except: "", among: hostAddresses6())
        {
          throw .subnetTaken(wants: wanted, interface: clash.interface, has: clash.text)
        }
        return try await join(try await runHelper(request), path, lasts: false)
      } catch {
        throw await named(error)
      }
    #else
      throw .unsupported
    #endif
  }

  /// The same, for whoever keeps the refusal.
  func result(_ request: HostTapRequest) async -> Result<HeldTap, HostTapError> {
    do throws(HostTapError) { return .success(try await obtain(request)) } catch {
      return .failure(error)
    }
  }

  /// Adds which other daemon has what is in the way.
  private func named(_ error: HostTapError) async -> HostTapError {
    switch error {
    case .busy(let interface, nil):
      return .busy(
        interface: interface,
        by: await OtherDaemons.holder(of: interface, otherThan: home, on: loop))
    case .subnetTaken(let wants, let interface, let has, nil):
      return .subnetTaken(
        wants: wants, interface: interface, has: has,
        by: await OtherDaemons.holder(of: interface, otherThan: home, on: loop))
    default: return error
    }
  }

  #if os(Linux)
    // MARK: What is there

    /// The TAP of `network setup`; nil when there is no interface of that name.
    private func attachToOwn(_ request: HostTapRequest) throws(HostTapError) -> HeldTap? {
      guard let link = try ownTap(request) else { return nil }
      let name = HostTapLink.name(user: user, network: request.network)
      do throws(SystemError) {
        let tap = try Tap.open(name: name)
        return try HeldTap(tap, mtu: Int(link.mtu), request: request)
      } catch {
        if error.errno.rawValue == EBUSY { throw .busy(interface: name) }
        throw .system(error)
      }
    }

    /// The same, only looked at.
    /// - Throws: when it cannot be used.
    func ownTap(_ request: HostTapRequest) throws(HostTapError) -> HostTapLink? {
      if card(of: request) != nil { return nil }
      let name = HostTapLink.name(user: user, network: request.network)
      do {
        var netlink = try Netlink()
        guard let link = try netlink.hostTap(named: name) else { return nil }
        if let reason = refusal(of: link) {
          throw HostTapError.unusable(interface: name, reason: reason)
        }
        guard link.persists else { throw HostTapError.busy(interface: name) }
        try check(link, request, &netlink, name)
        return link
      } catch let error as HostTapError {
        throw error
      } catch let error as SystemError {
        throw .system(error)
      } catch {
        throw .refused("\(error)")
      }
    }

    private func refusal(of link: HostTapLink) -> String? {
      guard link.kind == "tun", link.isTap else {
        return "there is an interface of that name already, which is no TAP"
      }
      guard let owner = link.owner else {
        return "that TAP has no owner, so everybody could listen: it is not used"
      }
      return owner == user ? nil : "that TAP belongs to another user (uid \(owner))"
    }

    private func check(
      _ link: HostTapLink, _ request: HostTapRequest, _ netlink: inout Netlink, _ name: String
    ) throws {
      switch request.place {
      case .address(let wanted):
        let addresses = try netlink.addresses(of: link.index)
        // Others beside it are told (HostTapMaker+Look), and change nothing: the switch lets guests reach this one alone.
        guard addresses.contains(wanted) else {
          throw HostTapError.outdated(
            interface: name,
            has: addresses.isEmpty ? "no address" : addresses.joined(separator: ", "),
            wants: wanted)
        }
        // Set up before it had IPv6, it serves without.
        let six = HeldTap.addresses6(of: name)
        if let wanted = request.address6, !six.isEmpty, !six.contains(wanted) {
          throw HostTapError.outdated(
            interface: name, has: six.joined(separator: ", "), wants: wanted)
        }
        guard link.mtu == UInt32(request.mtu) else {
          throw HostTapError.outdated(
            interface: name, has: "MTU \(link.mtu)", wants: "MTU \(request.mtu)")
        }
        // The helper looked when it was set up; others may have come since.
        if let clash = SubnetOwner.find(of: wanted, except: name, among: hostAddresses()) {
          throw HostTapError.subnetTaken(
            wants: wanted, interface: clash.interface, has: clash.text)
        }
        let own6 = six.first { $0 == request.address6 }
        if let own6, let clash = SubnetOwner.find6(of: own6, except: name, among: hostAddresses6())
        {
          throw HostTapError.subnetTaken(
            wants: own6, interface: clash.interface, has: clash.text)
        }
      case .bridge(let bridge):
        let master = try netlink.hostTap(named: bridge)
        if master?.datapath != nil {
          guard link.switchBridge == bridge else {
            throw HostTapError.outdated(
              interface: name,
              has: link.switchBridge.map { "the bridge \($0)" } ?? "another bridge or none",
              wants: "the bridge \(bridge)")
          }
          return
        }
        guard let master, link.switchBridge == nil, master.index == link.master else {
          throw HostTapError.outdated(
            interface: name, has: "another bridge or none", wants: "the bridge \(bridge)")
        }
      }
    }

    // MARK: Open vSwitch

    /// Whose frames they become where the bridge is one of Open vSwitch; nil where it is the kernel's own, or none.
    private func datapath(
      of request: HostTapRequest
    ) throws(HostTapError) -> HostTapLink.Datapath? {
      guard case .bridge(let bridge) = request.place else { return nil }
      let link: HostTapLink?
      do throws(SystemError) {
        var netlink = try Netlink()
        link = try netlink.hostTap(named: bridge)
      } catch {
        throw .system(error)
      }
      guard request.ifaceID != nil else { return link?.datapath }
      guard let link else {
        throw .unsuitable(
          "there is no interface \(bridge), which with ifaceId has to be a bridge of Open vSwitch: either "
            + "there is none, or ovs-vswitchd does not run"
            + (OVSFailure.noSwitch.remedy(setup: "").map { ". Mend it:  \($0)" } ?? ""))
      }
      guard let path = link.datapath else {
        throw .unsuitable(
          "ifaceId is for bridges of Open vSwitch, and \(bridge) is none: take it out of the options"
        )
      }
      return path
    }

    /// - Parameter lasts: `network setup` has made it, and a port.
    private func join(
      _ held: HeldTap, _ path: HostTapLink.Datapath?, lasts: Bool
    ) async throws(HostTapError) -> HeldTap {
      guard let path, case .bridge(let bridge) = held.request.place else { return held }
      let port = OVSCommand.Port(
        tap: held.spec.name, bridge: bridge, ifaceID: held.request.ifaceID)
      do throws(OVSFailure) {
        if lasts {
          try await ports.confirm(port)
          held.joined(nil, takesOffloads: path == .kernel)
        } else {
          held.joined(try await ports.add(port), takesOffloads: path == .kernel)
        }
        return held
      } catch {
        let error = HostTapError.openVSwitch(error, bridge: bridge)
        refusals[held.request] = (MonotonicClock.now() &+ Self.shortPause, error)
        throw error
      }
    }

    // MARK: The helper

    private func runHelper(_ request: HostTapRequest) async throws(HostTapError) -> HeldTap {
      if let flaw = judge(helper) {
        throw flaw.isMissing ? .noHelper(helper) : .unsafeHelper(flaw)
      }
      var words = [helper] + request.words("open")
      let isRoot = user == 0
      if let refused = refusals[request], MonotonicClock.now() < refused.until {
        throw refused.error
      }
      if !isRoot {
        guard let sudo = sudo() else { throw notSetUp(request, "sudo is not installed") }
        words = [sudo, "-n", "--"] + words
      }
      let run: HelperRun
      do throws(SystemError) {
        run = try HelperRun(words, isRoot: isRoot, loop: loop)
      } catch {
        throw .system(error)
      }
      let outcome = await run.finish(within: Self.patience)
      // Lines in sudoers may be older than IPv6 on the host's interfaces.
      guard !isRoot, request.address6 != nil, Self.isSudos(outcome) else {
        return try take(outcome, request, bySudo: !isRoot)
      }
      do throws(HostTapError) { return try await runHelper(request.withoutIPv6) } catch {
        refusals[request] = (MonotonicClock.now() &+ Self.pause, error)
        throw error
      }
    }

    private func notSetUp(_ request: HostTapRequest, _ why: String?) -> HostTapError {
      if let card = card(of: request) { return .notAllowed(card: card, sudo: why) }
      return .notSetUp(interface: HostTapLink.name(user: user, network: request.network), sudo: why)
    }

    /// sudo's own words begin with its name; the helper's do not.
    private static func isSudos(_ outcome: HelperRun.Outcome) -> Bool {
      guard case .failed(_, let text) = outcome else { return false }
      let line = text.split(separator: "\n").last ?? ""
      return line.hasPrefix("sudo") || line.isEmpty
    }

    private func take(
      _ outcome: HelperRun.Outcome, _ request: HostTapRequest, bySudo: Bool
    ) throws(HostTapError) -> HeldTap {
      refusals[request] = nil
      switch outcome {
      case .tap(let fd):
        do throws(SystemError) {
          let tap = try Tap.adopt(fd)
          var netlink = try Netlink()
          // A macvtap is in no namespace of ours, and has its card's.
          var name = tap.name
          if Tap.isMacvtap(fd), case .bridge(let card) = request.place { name = card }
          let mtu = try netlink.hostTap(named: name)?.mtu ?? 1500
          return try HeldTap(tap, mtu: Int(mtu), request: request)
        } catch {
          throw .system(error)
        }
      case .failed(let status, let text):
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        let isSudos = bySudo && Self.isSudos(outcome)
        let error: HostTapError =
          isSudos
          ? notSetUp(request, line.isEmpty ? nil : line)
          : .refused(line.isEmpty ? "lima-netd-tap \(status)" : line)
        if bySudo { refusals[request] = (MonotonicClock.now() &+ Self.pause, error) }
        throw error
      }
    }
  #endif
}
