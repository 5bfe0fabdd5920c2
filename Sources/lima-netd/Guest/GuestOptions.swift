// SPDX-License-Identifier: Apache-2.0
//
// GuestOptions: what `exec` and `attach` say alike about the guest they make.

import ArgumentParser

struct GuestOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "MTU of the guest's interface, 576 to 65520. (default: what the network offers)",
      valueName: "bytes"))
  var mtu: Int?

  @Option(help: ArgumentHelp("Name of the guest in listings and for forwards.", valueName: "name"))
  var name: String?

  @Option(
    help: ArgumentHelp("Hardware address. (default: made up by the kernel)", valueName: "mac"))
  var mac: MACAddressArgument?

  func validate() throws {
    if let mtu, !(576...65520).contains(mtu) {
      throw ValidationError("--mtu \(mtu): give a number from 576 to 65520.")
    }
  }
}
