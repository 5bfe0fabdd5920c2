// SPDX-License-Identifier: Apache-2.0
//
// How a network gets its interface of the host: set up before, by the helper through sudo, or as root. One way suffices:
// missing requirements of the others are warnings then.

import Platform

extension Diagnosis {
  /// The arguments that sudo must allow.
  private func words(_ network: NetworkConfiguration) -> [String]? {
    request(network).map { [facts.privilege.helper.path] + $0.words("open") }
  }

  /// The network's request for an interface; nil if it has none.
  private func request(_ network: NetworkConfiguration) -> HostTapRequest? {
    guard let own = HostTapRequest.wanted(by: network) else { return nil }
    guard let bridge = facts.links.limaBridges[network.name], bridge.isKept else { return own }
    return HostTapRequest(network: network.name, joining: bridge.name)
  }

  private func isAllowed(_ network: NetworkConfiguration) -> Bool {
    isAllowed(words(network)) || isAllowedWithoutIPv6(network)
  }

  /// Its lines in sudoers are of a version without IPv6 on the host's interfaces.
  private func isAllowedWithoutIPv6(_ network: NetworkConfiguration) -> Bool {
    guard let request = request(network), request.address6 != nil, !isAllowed(words(network)) else {
      return false
    }
    return isAllowed([facts.privilege.helper.path] + request.withoutIPv6.words("open"))
  }

  private func isAllowed(_ words: [String]?) -> Bool {
    guard case .listing(let listing) = facts.privilege.sudo, let words else { return false }
    return SudoListing.verdict(on: words, in: listing) == .withoutPassword
  }

  private var tapNetworks: [NetworkConfiguration] {
    isLinux ? networks(DoctorModes.withTap).filter { words($0) != nil } : []
  }

  /// It exists, and has the requested settings.
  private func isSetUp(_ network: NetworkConfiguration) -> Bool {
    guard let tap = facts.links.taps[network.name], tap.exists else { return false }
    return unfit(tap, request(network)) == nil
  }

  func helper() -> [Finding] {
    guard isLinux else { return [] }
    let path = facts.privilege.helper.path
    guard let flaw = facts.privilege.helper.flaw else {
      return [
        Finding(
          .helper, DoctorModes.withTap, .ok, "\(path) is there, and nobody but root can change it")
      ]
    }
    // A network with an existing interface needs no helper.
    let needy = Set(tapNetworks.filter { !isSetUp($0) && !isResting($0) }.map(\.settings.mode))
    let idle = Set(tapNetworks.map(\.settings.mode)).subtracting(needy)
    let problem = DoctorModes.withTap.filter { !idle.contains($0) }
    let text =
      flaw.isMissing
      ? "\(path) is missing" : "\(path) would run as root, and others could change it: \(flaw)"
    let remedy =
      flaw.helperRemedy.map { isRoot ? String($0.dropFirst("sudo ".count)) : $0 }
      ?? asRoot("make install")
    return [
      Finding(.helper, problem, .problem, text, remedy: remedy),
      Finding(.helper, idle.sorted(), .warning, text, remedy: remedy),
    ].filter { !$0.modes.isEmpty }
  }

  func sudo() -> [Finding] {
    guard isLinux, !isRoot else { return [] }
    switch facts.privilege.sudo {
    case .missing:
      return [
        Finding(
          .sudo, DoctorModes.withTap, .warning,
          "sudo is not installed: interfaces have to be set up as root")
      ]
    case .silent:
      return [
        Finding(.sudo, DoctorModes.withTap, .warning, "sudo did not answer within some seconds")
      ]
    case .refused(let reason):
      return [
        Finding(
          .sudo, DoctorModes.withTap, .warning,
          "sudo tells nothing without a password" + (reason.isEmpty ? "" : " (\(reason))"),
          remedy: install)
      ]
    case .listing:
      return tapNetworks.map { network in
        // One way suffices.
        if !isAllowed(network), isSetUp(network) || isResting(network) {
          return Finding(
            .sudo, [network.settings.mode], .ok,
            "network \(network.name): sudo is not asked: its interface is "
              + (isSetUp(network) ? "set up" : "not in use"))
        }
        if isAllowedWithoutIPv6(network) {
          return Finding(
            .sudo, [network.settings.mode], .warning,
            "network \(network.name): sudo runs its helper without IPv6: the lines are of an earlier version, and guests "
              + "have no IPv6", remedy: install)
        }
        return isAllowed(network)
          ? Finding(
            .sudo, [network.settings.mode], .ok,
            "network \(network.name): sudo runs its helper without a password")
          : Finding(
            .sudo, [network.settings.mode], .warning,
            "network \(network.name): sudo does not run its helper without a password",
            remedy: install)
      }
    }
  }

  private var install: String {
    // For the user who runs the command: the lines are for this user.
    SudoersFile.writing(
      facts.command, user: facts.user.isInSudoersGroup ? nil : facts.user.name, home: homeWords)
  }

  func taps() -> [Finding] { tapNetworks.map { resting(tap(of: $0), $0) } }

  private func tap(of network: NetworkConfiguration) -> Finding {
    let mode = network.settings.mode
    let setup = asRoot("\(facts.command) network setup \(network.name)\(homeWords)")
    if let card = card(network) { return macvtap(network, card) }
    let tap = facts.links.taps[network.name]
    let name = "network \(network.name): its interface \(tap?.name ?? "")"
    if let tap, tap.exists, let other = holder(of: tap.name) {
      return Finding(
        .tap, [mode], .problem,
        "\(name) is in use by \(other.words), whose network has the same name",
        remedy: other.stop(network.name, facts.command))
    }
    if let tap, tap.exists {
      guard let reason = unfit(tap, request(network)) else { return fit(tap, network) }
      return Finding(
        .tap, [mode], .problem, "\(name) \(reason.text)", remedy: reason.remedy ?? setup)
    }
    if isRoot { return Finding(.tap, [mode], .ok, "\(name) is made when it is needed, by root") }
    if isAllowed(network), facts.privilege.helper.flaw == nil {
      return Finding(.tap, [mode], .ok, "\(name) is made when it is needed, by sudo")
    }
    return Finding(
      .tap, [mode], .problem,
      "\(name) is not set up, and sudo does not run its helper without a password", remedy: setup)
  }

  /// It exists, and has the requested settings.
  private func fit(_ tap: HostFacts.Tap, _ network: NetworkConfiguration) -> Finding {
    let mode = network.settings.mode
    let name = "network \(network.name): its interface \(tap.name)"
    if let other = tap.otherHome {
      return Finding(
        .tap, [mode], .warning,
        "\(name) is set up for the network of that name of \(other): one of the two can run at a time, and a user has "
          + "one interface for each name",
        remedy: asRoot(
          "\(facts.command) network unsetup \(network.name) --lima-home \(ShellWord.quoted(other))")
      )
    }
    // A TAP that is not persistent is held by a process.
    if !tap.persists, !tap.isHeld, case .nobody = facts.serving {
      return Finding(
        .tap, [mode], .problem,
        "\(name) is in use by another process, and no daemon serves \(facts.home.path)",
        remedy: OtherDaemons.asking(who: tap.name))
    }
    guard let meant = tap.renamedFrom else {
      if let wanted = request(network)?.address6, tap.addresses6.isEmpty {
        return Finding(
          .tap, [mode], .warning,
          "\(name) has no IPv6 address (it would be \(wanted)): host and guests do not reach each other by IPv6. It was made by "
            + "an earlier version, lost the address, or IPv6 is off on it",
          remedy: asRoot(HostTapMaker.addressing6(wanted, tap.name)))
      }
      if let other = request(network).flatMap({ others(tap, $0).first }) {
        return Finding(
          .tap, [mode], .warning,
          "\(name) has the address \(other), too, which guests do not reach",
          remedy: asRoot("ip address del \(other) dev \(tap.name)"))
      }
      return Finding(
        .tap, [mode], .ok,
        tap.persists ? "\(name) is set up and this user's" : "\(name) is in use now")
    }
    guard tap.persists else {
      return Finding(.tap, [mode], .ok, "\(name), made as \(meant), is in use now")
    }
    // The present daemon continues with the interface; the next one looks for the name.
    return Finding(
      .tap, [mode], tap.isHeld ? .warning : .problem,
      "\(name) was set up as \(meant) and renamed: "
        + (tap.isHeld ? "the daemon that has it is the last to find it" : "it is not found"),
      remedy: asRoot(
        "sh -c 'ip link set \(tap.name) down && ip link set \(tap.name) name \(meant) && ip link set \(meant) up'"
      ))
  }

  /// It is all that `network setup` would make of it.
  package func isSetUp(_ tap: HostFacts.Tap, as request: HostTapRequest) -> Bool {
    tap.exists && tap.persists && tap.otherHome == nil && unfit(tap, request) == nil
      && tap.addresses6 == [request.address6].compactMap { $0 } && others(tap, request).isEmpty
  }

  /// Addresses that somebody gave it beside those of the network.
  private func others(_ tap: HostFacts.Tap, _ request: HostTapRequest) -> [String] {
    guard case .address(let own) = request.place else { return [] }
    return tap.addresses.filter { $0 != own } + tap.addresses6.filter { $0 != request.address6 }
  }

  /// The network card that its guests are on, one macvtap each.
  private func card(_ network: NetworkConfiguration) -> String? {
    guard let request = HostTapRequest(network), case .bridge(let name) = request.place,
      case .card = facts.links.interfaces[name]
    else { return nil }
    return name
  }

  private func macvtap(_ network: NetworkConfiguration, _ card: String) -> Finding {
    let mode = network.settings.mode
    let head = "network \(network.name): a guest's macvtap on \(card)"
    if isRoot { return Finding(.tap, [mode], .ok, "\(head) is made when it comes, by root") }
    if isAllowed(network), facts.privilege.helper.flaw == nil {
      return Finding(.tap, [mode], .ok, "\(head) is made when it comes, by sudo")
    }
    return Finding(
      .tap, [mode], .problem,
      "\(head) cannot be set up before, and sudo does not run its helper without a password",
      remedy: install)
  }

  /// Why an existing interface cannot be used, with the remedy if that is not `setup`.
  private func unfit(
    _ tap: HostFacts.Tap, _ request: HostTapRequest?
  ) -> (text: String, remedy: String?)? {
    let delete = asRoot("ip link del \(tap.name)")
    guard tap.isTap else { return ("is no TAP: somebody else made it", delete) }
    guard let owner = tap.owner else {
      return ("has no owner, so that everybody could listen: it is not used", delete)
    }
    guard owner == facts.user.uid else { return ("belongs to another user (uid \(owner))", delete) }
    // One that does not last is a daemon's, which has just made it.
    guard tap.persists, let request else { return nil }
    switch request.place {
    case .address(let wanted):
      let has = tap.addresses.joined(separator: ", ")
      if !tap.addresses.contains(wanted) {
        return (
          "was set up with \(has.isEmpty ? "no address" : has), and the network has \(wanted) now",
          nil
        )
      }
      if let wanted6 = request.address6, !tap.addresses6.isEmpty,
        !tap.addresses6.contains(wanted6)
      {
        return (
          "was set up with \(tap.addresses6.joined(separator: ", ")), and the network has \(wanted6) now",
          nil
        )
      }
      if tap.mtu != request.mtu {
        return ("was set up with MTU \(tap.mtu), and the network has \(request.mtu) now", nil)
      }
    case .bridge(let bridge):
      if tap.bridge != bridge {
        return ("is a port of \(tap.bridge ?? "no bridge"), and the network wants \(bridge)", nil)
      }
    }
    return nil
  }
}
