// SPDX-License-Identifier: Apache-2.0
//
// GuestOptions: what `exec`, `attach` and `tap` say alike about the guest they make; CommandOptions: and `exec` and `tap` about
// what they run.

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
    help: ArgumentHelp("Ethernet address. (default: made up by the kernel)", valueName: "mac"))
  var mac: MACAddressArgument?

  func validate() throws {
    if let mtu, !(576...65520).contains(mtu) {
      throw ValidationError("--mtu \(mtu): give a number from 576 to 65520.")
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
