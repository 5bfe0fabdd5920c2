// SPDX-License-Identifier: Apache-2.0
//
// GuestOptions: options of `exec`, `attach` and `tap` for the guest that they create. CommandOptions: options of `exec` and
// `tap` for the command that they run.

import ArgumentParser

struct GuestOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "MTU of the guest's interface, 576 to 65520. (default: what the network offers)",
      valueName: "bytes"))
  var mtu: Int?

  @Option(
    help: ArgumentHelp(
      "Name of the guest in listings, in DNS and for forwards; no other guest of the network has it. Empty: the one "
        + "that its DHCP client says.",
      valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp(
      "Ethernet address, as 52:55:55:12:34:56. (default: made up by the kernel)", valueName: "mac"),
    transform: MACAddressArgument.init)
  var mac: MACAddressArgument?

  func validate() throws {
    if let mtu, !(576...65520).contains(mtu) {
      throw ValidationError("--mtu \(mtu): give a number from 576 to 65520.")
    }
    if let name, !name.isEmpty, !Self.isName(name) {
      throw ValidationError(
        "--name '\(name)': guests are looked up by it, so it has letters, digits, `-` and `_`, in parts of at most 63 "
          + "with single dots between them.")
    }
  }

  /// A host name (RFC 1123 §2.1), with underscores, which are in use.
  static func isName(_ text: String) -> Bool {
    text.utf8.count <= 253
      && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
          && label.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            }
          }
      }
  }
}

struct CommandOptions: ParsableArguments {
  @OptionGroup var home: HomeOptions

  @Option(
    name: .customLong("plugin-dir"),
    help: ArgumentHelp(
      "For a private daemon: directory with more plugins. Can be repeated.", valueName: "dir"),
    completion: .directory)
  var pluginDirectories: [String] = []

  @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
  var command: [String] = []
}
