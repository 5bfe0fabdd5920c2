// SPDX-License-Identifier: Apache-2.0
//
// qemu-args: prints the arguments that connect QEMU to the networks of a lima.yaml.

import ArgumentParser
import Daemon
import Platform

struct QEMUArguments: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qemu-args",
    abstract: "Print the arguments that attach a QEMU to an instance's networks.",
    discussion: """
      One -netdev and one -device for each interface, a word a line. The daemon need not run yet: QEMU starts each \
      network by connecting to it. For ssh, forwards and names there is `lima-netd instance up`.

        lima-netd qemu-args ~/.lima/default
        eval qemu-system-x86_64 ... $(lima-netd qemu-args ./vm.yaml --shell)

      With user-v2 among the `networks:`, eth0 is on it, and the default network is left out. The arguments fit the \
      QEMU that is installed: -netdev stream came with 7.2, reconnecting with 8.0. For an older one, connect the \
      sockets yourself, as Lima does, and say from which descriptor on QEMU finds them:

        lima-netd qemu-args ./vm.yaml --first-fd 3

      For the faster link of `lima-netd tap`, with --tap the descriptors are TAP devices:

        eval lima-netd tap shared -- qemu-system-x86_64 ... \\
          $(lima-netd qemu-args ./vm.yaml --tap --shell)
      """)

  @Argument(help: "A lima.yaml, or an instance's directory.", completion: .file())
  var path: String
  @Option(
    help: ArgumentHelp("The instance's name, where the path does not say.", valueName: "name"))
  var name: String?
  @Option(
    help: ArgumentHelp(
      "The networks' file. (default: networks.yaml of the Lima home)", valueName: "file"),
    completion: .file())
  var config: String?
  @OptionGroup var qemu: QEMUOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let home = try self.home.resolve()
    let path = try InstancePath.existing(path, in: home)
    let plan: InstancePlan
    do {
      let file = try LimaYAMLFile(path: path, name: name, home: home)
      let configuration = try Configuration.load(
        config.map(InstancePath.absolute) ?? home.configFile, mayBeMissing: config == nil)
      plan = try InstancePlan(
        file.yaml, identity: file.identity,
        context: .here(
          home: home, networks: configuration.networks, limaVersion: file.limaVersion))
    } catch {
      throw CommandFailure("\(error)")
    }
    try qemu.show(
      try qemu.words(plan.interfaces.map { InterfaceReport($0, mode: nil) }, arch: plan.arch),
      arch: plan.arch, listing)
  }
}

/// The form of QEMU's arguments, and QEMU's version.
struct QEMUOptions: ParsableArguments {
  @Flag(help: "Print one line, quoted for a shell.")
  var shell = false
  @Option(
    name: .customLong("qemu"),
    help: ArgumentHelp(
      "The QEMU that is to understand them. (default: qemu-system-ARCH in PATH)",
      valueName: "program"))
  var program: String?
  @Option(
    name: .customLong("first-fd"),
    help: ArgumentHelp(
      "QEMU inherits connected sockets, from this descriptor on.", valueName: "number"))
  var firstDescriptor: Int?
  @Flag(
    help:
      "The descriptors are TAP devices, as `lima-netd tap` passes them on. (from --first-fd on, else 3)"
  )
  var tap = false

  func validate() throws {
    if let firstDescriptor, !(0...65535).contains(firstDescriptor) {
      throw ValidationError("--first-fd is the number of a descriptor, as 3.")
    }
  }

  func words(_ interfaces: [InterfaceReport], arch: String) throws -> [String] {
    let transport: DriverArguments.QEMUTransport? =
      tap ? .taps(first: firstDescriptor ?? 3) : firstDescriptor.map { .descriptors(first: $0) }
    // Arguments for descriptors do not depend on the version.
    let version =
      transport == nil ? QEMUVersion.installed(program ?? "qemu-system-\(arch)") : nil
    if transport == nil, version == nil {
      StandardError.print(
        "Note: \(program ?? "qemu-system-\(arch)") does not tell its version; these arguments need 7.2 or later"
      )
    }
    let capabilities = QEMUCapabilities(version: version)
    if transport == nil, version != nil, capabilities.stream, capabilities.reconnect.isEmpty {
      StandardError.print(
        "Note: this QEMU does not connect again when the daemon was restarted, which came with 8.0; "
          + "with --tap and `lima-netd tap` it stays on its networks")
    }
    return try Self.failing {
      try DriverArguments.qemu(
        interfaces, arch: arch, capabilities, transport ?? .stream)
    }
  }

  struct Document: Encodable {
    /// "x86_64", "aarch64".
    let arch: String
    let arguments: [String]
  }

  func show(_ words: [String], arch: String, _ listing: ListingOptions) throws {
    try listing.show(Document(arch: arch, arguments: words)) {
      shell ? DriverArguments.shell(words) : words.joined(separator: "\n")
    }
  }

  static func failing(_ body: () throws -> [String]) throws -> [String] {
    do { return try body() } catch { throw CommandFailure("\(error)") }
  }
}
