// SPDX-License-Identifier: Apache-2.0
//
// What the interface of a bridged network is, and whether a network's TAP is still what it was made as: asked of the
// kernel, which needs no privilege. Loop thread.

import Platform

/// The host's interface that a bridged network names.
package enum BridgedInterface: Hashable, Sendable {
  case missing
  case bridge
  /// A plain card: each guest gets a macvtap.
  case card(isUp: Bool, hasCarrier: Bool)
  /// What the helper has its own word on.
  case other

  /// As the kernel has it now.
  package static func look(at name: String) -> BridgedInterface {
    #if os(Linux)
      guard var netlink = try? Netlink() else { return .other }
      do throws(SystemError) {
        guard let link = try netlink.hostTap(named: name) else { return .missing }
        if link.kind == "bridge" { return .bridge }
        return link.isNetworkCard ? .card(isUp: link.isUp, hasCarrier: link.hasCarrier) : .other
      } catch {
        return .other
      }
    #else
      return .other
    #endif
  }
}

extension HostTapMaker {
  /// Why an interface does not carry the network's frames; nil when nothing is known against it.
  package enum Trouble: Hashable, Sendable {
    /// Only another interface helps.
    case lost(String)
    /// Somebody meant it so, and may undo it.
    case resting(String)
    /// It works all the same.
    case renamed(String)
    /// Open vSwitch does not read it: its database says whether it is to.
    case unserved(String)

    package var text: String {
      switch self {
      case .lost(let text), .resting(let text), .renamed(let text), .unserved(let text): text
      }
    }
  }

  /// As far as it matters to whoever runs a network on it.
  package struct TapFacts: Hashable, Sendable {
    /// As it was made.
    package var name: String
    /// Now; nil: the interface is gone.
    package var current: String?
    /// It is in this network namespace.
    package var isHere = true
    package var isUp = true
    package var addresses: [String] = []
    /// The IPv6 address that it was made with and has no more.
    package var lost6: String?
    /// Addresses of either family that somebody gave it beside its own, with prefix lengths.
    package var others: [String] = []
    /// The index of what it is a port of.
    package var master: Int32?
    /// Of the bridge that it is to be a port of; nil: there is none.
    package var bridge: Int32?
    /// The bridge is one of Open vSwitch: the kernel does not tell its ports, and its database keeps them while it restarts.
    package var isOnSwitch = false
    /// Open vSwitch reads it.
    package var isServed = true
    package var hasARP = true
    /// As it is, and as it was made; 0: not known.
    package var mtu = 0
    package var madeMTU = 0
    /// Somebody gave it another Ethernet address than it was made with.
    package var otherMAC: OtherMAC?

    package struct OtherMAC: Hashable, Sendable {
      package var now: String
      package var made: String
      /// It could be put back.
      package var isMended: Bool
      package init(now: String, made: String, isMended: Bool) {
        self.now = now
        self.made = made
        self.isMended = isMended
      }
    }

    package init(name: String, current: String?) {
      self.name = name
      self.current = current
    }
  }

  package static func trouble(
    _ facts: TapFacts, _ place: HostTapRequest.Place
  ) -> Trouble? {
    guard let current = facts.current else {
      return .lost("its interface \(facts.name) was taken away")
    }
    guard facts.isHere else {
      return .lost("its interface \(current) was moved to another network namespace")
    }
    switch place {
    case .bridge(let bridge):
      if facts.isOnSwitch {
        guard facts.bridge != nil else {
          return .resting("the bridge \(bridge) of Open vSwitch is gone")
        }
        guard facts.isServed else {
          return .unserved(
            "Open vSwitch does not serve its interface \(current), a port of \(bridge)")
        }
        break
      }
      guard let index = facts.bridge else {
        return .lost("the bridge \(bridge) is gone")
      }
      guard facts.master == index else {
        return .lost("its interface \(current) is no port of \(bridge) any more")
      }
    case .address(let address):
      guard facts.addresses.contains(address) else {
        return .lost("its interface \(current) has lost its address \(address)")
      }
      guard facts.master == nil else {
        return resting(
          "its interface \(current) was made a port of something: the host reaches no guest by it",
          "ip link set \(current) nomaster")
      }
    }
    return shortcoming(facts, current, place)
  }

  /// What an administrator has changed of the interface itself, which only root may change back.
  private static func shortcoming(
    _ facts: TapFacts, _ current: String, _ place: HostTapRequest.Place
  ) -> Trouble? {
    guard facts.isUp else {
      return resting("its interface \(current) is down", "ip link set \(current) up")
    }
    if let mac = facts.otherMAC {
      let text = "somebody gave its interface \(current) the Ethernet address \(mac.now)"
      return mac.isMended
        ? .resting("\(text): it gets its own back, \(mac.made)")
        : resting(text, "ip link set \(current) address \(mac.made)")
    }
    if case .address = place, !facts.hasARP {
      return resting(
        "ARP is off on its interface \(current): host and guests do not find each other",
        "ip link set \(current) arp on")
    }
    guard facts.mtu == facts.madeMTU || facts.isOnSwitch else {
      return resting(
        "its interface \(current) has MTU \(facts.mtu), and was made with \(facts.madeMTU)",
        "ip link set \(current) mtu \(facts.madeMTU)")
    }
    if let six = facts.lost6 {
      return resting(
        "its interface \(current) has lost its IPv6 address \(six)",
        addressing6(six, current))
    }
    if case .address = place, let other = facts.others.first {
      return resting(
        "somebody gave its interface \(current) the address \(other), too, which guests do not reach",
        "ip address del \(other) dev \(current)")
    }
    guard current == facts.name else {
      return .renamed("its interface \(facts.name) is called \(current) now")
    }
    return nil
  }

  /// The command by which root gives an interface its IPv6 address, also where IPv6 was turned off on it.
  package static func addressing6(_ address: String, _ interface: String) -> String {
    "sh -c 'sysctl -qw net/ipv6/conf/\(interface)/disable_ipv6=0 && ip -6 address add \(address) dev \(interface) nodad'"
  }

  private static func resting(_ text: String, _ remedy: String) -> Trouble {
    .resting("\(text). Mend it:  sudo \(remedy)")
  }

  #if os(Linux)
    /// The network card that the request is for; nil when it is for something else.
    func card(of request: HostTapRequest) -> String? {
      guard case .bridge(let name) = request.place, case .card = BridgedInterface.look(at: name)
      else { return nil }
      return name
    }

    /// The TAP of `network setup` is there, and as it is wanted.
    func hasSetUp(_ request: HostTapRequest) -> Bool { (try? ownTap(request)) != nil }

    func trouble(of held: HeldTap) -> Trouble? {
      var facts = TapFacts(name: held.spec.name, current: Tap.interfaceName(of: held.fd))
      facts.isOnSwitch = held.isOnSwitch
      do throws(SystemError) {
        var netlink = try Netlink()
        if let name = facts.current {
          if let link = try netlink.hostTap(named: name) {
            facts.isUp = link.isUp
            facts.master = link.master
            facts.hasARP = link.hasARP
            facts.isServed = link.isServed
            (facts.mtu, facts.madeMTU) = (Int(link.mtu), held.spec.mtu)
            facts.otherMAC = Self.mend(link, held)
            facts.addresses = try netlink.addresses(of: link.index)
            let six = HeldTap.addresses6(of: name)
            if let own = held.address6, !six.contains(own) { facts.lost6 = own }
            if case .address(let own) = held.request.place {
              facts.others =
                facts.addresses.filter { $0 != own } + six.filter { $0 != held.address6 }
            }
          } else {
            facts.current = Tap.interfaceName(of: held.fd)
            if let now = facts.current {
              // Between two questions somebody may have renamed it: that is told, too.
              guard now == name, try netlink.hostTap(named: name) == nil else { return nil }
              facts.isHere = false
            }
          }
        }
        if case .bridge(let bridge) = held.request.place {
          facts.bridge = try netlink.hostTap(named: bridge)?.index
        }
      } catch {
        return nil
      }
      return Self.trouble(facts, held.request.place)
    }
    /// Who holds a TAP may give it its Ethernet address back.
    private static func mend(_ link: HostTapLink, _ held: HeldTap) -> TapFacts.OtherMAC? {
      let made = held.spec.mac
      guard link.mac != made, let bytes = EthernetAddress.bytes(made) else { return nil }
      let isMended = (try? Tap.setHardwareAddress(bytes, of: held.fd)) != nil
      return TapFacts.OtherMAC(now: link.mac, made: made, isMended: isMended)
    }
  #else
    func hasSetUp(_ request: HostTapRequest) -> Bool { false }
    func trouble(of held: HeldTap) -> Trouble? { nil }
  #endif

  /// Something of the host's interfaces has changed: what the helper refused may be possible now. What sudo refused
  /// is not.
  func interfacesChanged(_ request: HostTapRequest) {
    switch refusals[request]?.error {
    case .notSetUp, .notAllowed, .openVSwitch, nil: break
    default: refusals[request] = nil
    }
  }
}
