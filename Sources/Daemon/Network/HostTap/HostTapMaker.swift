// SPDX-License-Identifier: Apache-2.0
//
// HostTapMaker: gets a network its TAP in the first of three ways that works:
//   1. one that `network setup` made and this user owns: nothing is asked of anybody;
//   2. lima-netd-tap by sudo, if sudo asks no password (a NOPASSWD line of fixed words);
//   3. lima-netd-tap itself, when this process is root.
// The helper runs while the loop goes on, for at most `patience`. Loop thread.

import HostProtocol
import Platform

#if canImport(Glibc)
  import Glibc
#endif

final class HostTapMaker {
  typealias Answer = (Result<HeldTap, HostTapError>) -> Void

  private let loop: EventLoop
  private let helper: String
  private let user: UInt32
  /// Finds sudo; tests give their own.
  var sudo: () -> String? = { ProgramSearch.find("sudo") }
  /// Why root must not run the helper; tests give their own.
  var judge: (String) -> PathFlaw? = { HelperSafety.flaw(of: $0) }
  /// Looks at a bridge before anybody is asked for a port of it; tests give their own.
  var bridges = BridgeCheck()
  /// The host's addresses; tests give their own.
  var hostAddresses: () -> [HostAddress] = { (try? HostInterfaces.addresses()) ?? [] }
  /// sudo notes every refusal in the system's log: it is not asked again until then.
  private var refusals: [HostTapRequest: (until: UInt64, error: HostTapError)] = [:]

  private static let patience: UInt64 = 20_000_000_000
  private static let pause: UInt64 = 10_000_000_000

  init(loop: EventLoop, helper: String, user: UInt32 = CurrentProcess.effectiveUser) {
    self.loop = loop
    self.helper = helper
    self.user = user
  }

  /// `answer` comes once, perhaps before this returns.
  func obtain(_ request: HostTapRequest, _ answer: @escaping Answer) {
    #if os(Linux)
      do throws(HostTapError) {
        if case .bridge(let bridge) = request.place, let reason = bridges.refusal(of: bridge) {
          throw .unsuitable(reason)
        }
        if let held = try attachToOwn(request) { return answer(.success(held)) }
        try startHelper(request, answer)
      } catch {
        answer(.failure(error))
      }
    #else
      answer(.failure(.unsupported))
    #endif
  }

  #if os(Linux)
    // MARK: What is there

    /// The TAP of `network setup`; nil when there is no interface of that name.
    private func attachToOwn(_ request: HostTapRequest) throws(HostTapError) -> HeldTap? {
      let name = HostTapLink.name(user: user, network: request.network)
      do {
        var netlink = try Netlink()
        guard let link = try netlink.hostTap(named: name) else { return nil }
        if let reason = refusal(of: link) {
          throw HostTapError.unusable(interface: name, reason: reason)
        }
        guard link.persists else { throw HostTapError.busy(interface: name) }
        try check(link, request, &netlink, name)
        let tap = try Tap.open(name: name)
        return try HeldTap(tap, mtu: Int(link.mtu), request: request)
      } catch let error as HostTapError {
        throw error
      } catch let error as SystemError {
        if error.errno.rawValue == EBUSY { throw .busy(interface: name) }
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
        guard addresses == [wanted] else {
          throw HostTapError.outdated(
            interface: name,
            has: addresses.isEmpty ? "no address" : addresses.joined(separator: ", "),
            wants: wanted)
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
      case .bridge(let bridge):
        let master = try netlink.hostTap(named: bridge)
        guard let master, master.index == link.master else {
          throw HostTapError.outdated(
            interface: name, has: "another bridge or none", wants: "the bridge \(bridge)")
        }
      }
    }

    // MARK: The helper

    private func startHelper(
      _ request: HostTapRequest, _ answer: @escaping Answer
    ) throws(HostTapError) {
      if let flaw = judge(helper) {
        throw flaw.isMissing ? .noHelper(helper) : .unsafeHelper(flaw)
      }
      var words = [helper] + request.words("open")
      let isRoot = user == 0
      if !isRoot {
        if let refused = refusals[request], MonotonicClock.now() < refused.until {
          throw refused.error
        }
        guard let sudo = sudo() else { throw notSetUp(request, "sudo is not installed") }
        words = [sudo, "-n", "--"] + words
      }
      do throws(SystemError) {
        let run = try HelperRun(words, isRoot: isRoot, loop: loop)
        run.finish(within: Self.patience) { [weak self] outcome in
          guard let self else { return }
          answer(take(outcome, request, bySudo: !isRoot))
        }
      } catch {
        throw .system(error)
      }
    }

    private func notSetUp(_ request: HostTapRequest, _ why: String?) -> HostTapError {
      .notSetUp(interface: HostTapLink.name(user: user, network: request.network), sudo: why)
    }

    private func take(
      _ outcome: HelperRun.Outcome, _ request: HostTapRequest, bySudo: Bool
    ) -> Result<HeldTap, HostTapError> {
      refusals[request] = nil
      switch outcome {
      case .tap(let fd):
        do throws(SystemError) {
          let tap = try Tap.adopt(fd)
          var netlink = try Netlink()
          let mtu = try netlink.hostTap(named: tap.name)?.mtu ?? 1500
          return .success(try HeldTap(tap, mtu: Int(mtu), request: request))
        } catch {
          return .failure(.system(error))
        }
      case .failed(let status, let text):
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        // sudo's own words begin with its name; the helper's do not.
        let isSudos = bySudo && (line.hasPrefix("sudo") || line.isEmpty)
        let error: HostTapError =
          isSudos
          ? notSetUp(request, line.isEmpty ? nil : line)
          : .refused(line.isEmpty ? "lima-netd-tap \(status)" : line)
        if bySudo { refusals[request] = (MonotonicClock.now() &+ Self.pause, error) }
        return .failure(error)
      }
    }
  #endif
}
