// SPDX-License-Identifier: Apache-2.0
//
// Why a network has no TAP of the host's: what is missing, and the one command that mends it.

import HostProtocol
import Platform

enum HostTapError: Error, Sendable {
  /// No helper beside the daemon.
  case noHelper(String)
  /// Others than root could put another program in its place.
  case unsafeHelper(PathFlaw)
  /// Nobody makes it for us: no sudo, or sudo wants a password.
  case notSetUp(interface: String, sudo: String?)
  /// The same of a macvtap, which cannot be set up before.
  case notAllowed(card: String, sudo: String?)
  /// The bridge or network card is not there now.
  case missing(interface: String)
  /// The interface is there, and not what the network needs.
  case unusable(interface: String, reason: String)
  /// It was set up with other settings than the network has now.
  case outdated(interface: String, has: String, wants: String)
  case busy(interface: String, by: OtherDaemon? = nil)
  /// Another interface has an address in the network's subnet.
  case subnetTaken(wants: String, interface: String, has: String, by: OtherDaemon? = nil)
  /// The interface that networks.yaml names cannot carry guests.
  case unsuitable(String)
  /// It could be made, and not made a port of this bridge of Open vSwitch.
  case openVSwitch(OVSFailure, bridge: String)
  /// The helper's own words.
  case refused(String)
  case system(SystemError)
  case unsupported
}

/// What the remedies name.
struct HostTapAdvice {
  let network: String
  /// The command line's own file.
  let command: String
  /// " --lima-home DIR", or "".
  let home: String

  /// The one that makes the interface, as root.
  var setup: String { "sudo \(ShellWord.quoted(command)) network setup \(network)\(home)" }

  private var doctor: String { "\(ShellWord.quoted(command)) doctor\(home)" }

  func report(_ error: HostTapError) -> ErrorReport {
    let (code, text) = explain(error)
    return ErrorReport(code: code.rawValue, message: "network \(network): \(text)")
  }

  private func explain(_ error: HostTapError) -> (HostError.Code, String) {
    switch error {
    case .noHelper(let path):
      (
        .unsupported,
        "the helper that makes its interface is missing: \(path) (sudo make install brings it)"
      )
    case .unsafeHelper(let flaw):
      (
        .unsupported,
        "the helper that makes its interface runs as root, and others could change it: \(flaw). "
          + (flaw.helperRemedy.map { "Mend it:  \($0)" }
            ?? "Install it where only root writes:  sudo make install")
      )
    case .notSetUp(let interface, let sudo):
      (
        .unsupported,
        "its interface \(interface) is not there, and only root can make one"
          + (sudo.map { " (\($0))" } ?? "") + ". Set it up once, and no root is needed after it:  "
          + setup
      )
    case .notAllowed(let card, let sudo):
      (
        .unsupported,
        "each guest gets a macvtap on the network card \(card), which only root can make"
          + (sudo.map { " (\($0))" } ?? "") + ". Let sudo make them without a password:  "
          + SudoersFile.writing(ShellWord.quoted(command), home: home)
      )
    case .missing(let interface):
      (
        .system,
        "there is no interface \(interface). What it could be on instead tells:  "
          + "\(ShellWord.quoted(command)) doctor bridged\(home)"
      )
    case .unusable(let interface, let reason):
      (
        .exists,
        "its interface would be \(interface), and \(reason). "
          + "Take it away:  sudo ip link del \(interface)"
      )
    case .outdated(let interface, let has, let wants):
      (
        .invalidConfig,
        "its interface \(interface) was set up with \(has), and the network has \(wants) now. "
          + "Set it up again:  \(setup)"
      )
    case .busy(let interface, nil):
      (
        .busy,
        "its interface \(interface) is in use by another process. Which one:  "
          + OtherDaemons.asking(who: interface)
      )
    case .busy(let interface, let other?) where other.isPrivate:
      (
        .busy,
        "its interface \(interface) is in use by another `exec` or `tap`, which has a daemon of its own (process "
          + "\(other.pid)). Once that has ended, start one daemon for all guests:  \(ShellWord.quoted(command)) &"
      )
    case .busy(let interface, let other?):
      (
        .busy,
        "its interface \(interface) is in use by \(other.words), whose network has the same name. Stop that one:  "
          + other.stop(network, ShellWord.quoted(command))
      )
    case .subnetTaken(let wants, let interface, let has, let other):
      (
        .exists,
        "the subnet of \(wants) is on interface \(interface) already, which has \(has)"
          + (other.map { " and is that of \($0.words)" } ?? "")
          + ": give it another `\(wants.contains(":") ? "prefix6" : "gateway")`"
      )
    case .unsuitable(let reason): (.invalidConfig, reason)
    case .openVSwitch(let failure, let bridge):
      (
        failure.isOfConfiguration ? .invalidConfig : .unsupported,
        failure.sentence(bridge) + (failure.remedy(setup: setup).map { ". Mend it:  \($0)" } ?? "")
      )
    case .refused(let text): (.system, "\(text). All that is missing tells:  \(doctor)")
    case .system(let error):
      (.system, "its interface could not be had: \(error). All that is missing tells:  \(doctor)")
    case .unsupported:
      (.unsupported, "a network of this kind needs a TAP device of the host's: Linux has them")
    }
  }
}
