// SPDX-License-Identifier: Apache-2.0
//
// instance up, down, ls, inspect: networking of Lima's instances.

import ArgumentParser
import Daemon
import Platform

/// The command; Daemon has the type Instance.
struct InstanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "instance",
    abstract: "Give an instance of Lima its networks, names and forwards.",
    discussion: """
      up reads what a lima.yaml says about networking, starts the networks, and from then on follows the instance: \
      once its guest has an address, ssh and the static forwards of `portForwards` lead to it, and its names \
      (`hostResolver.hosts`, lima-NAME.internal) are answered. down takes all of that away again.

        lima-netd instance up ~/.lima/default          its directory, or lima.yaml
        lima-netd instance up ./vm.yaml --name vm      a template
        lima-netd instance ls
        lima-netd instance inspect default
        lima-netd instance down default

      With --format, up prints only what the driver needs:

        eval qemu-system-x86_64 ... \\
          $(lima-netd instance up ./vm.yaml --format qemu --shell)
        lima-netd instance up ./vm.yaml --format json \\
          | jq -r '.interfaces[0].qemu'

      An instance with a user-v2 network has that one as eth0, in place of `default`. Lima itself needs none of this: \
      it finds the networks of a running daemon by their files.
      """,
    subcommands: [InstanceUp.self, InstanceDown.self, InstanceList.self, InstanceInspect.self],
    defaultSubcommand: InstanceList.self)
}

enum DriverFormat: String, ExpressibleByArgument, CaseIterable {
  case qemu, json, vfkit
}

struct InstanceUp: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "up", abstract: "Bring up an instance's networking; again, to follow its file.",
    discussion: """
        lima-netd instance up ~/.lima/default
        lima-netd instance up ./vm.yaml --name vm --format vfkit
      """)

  @Argument(help: "A lima.yaml, or an instance's directory.", completion: .file())
  var path: String
  @Option(
    help: ArgumentHelp("The instance's name, where the path does not say.", valueName: "name"))
  var name: String?
  @Option(help: "Print what the driver needs, in this form: qemu, json or vfkit.")
  var format: DriverFormat?
  @OptionGroup var qemu: QEMUOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let file = try InstancePath.existing(path, in: home.resolveServed())
    let instance: InstanceReport = try ControlClient(starting: home).send(
      .POST, APIPath.instances, body: InstanceRequest(path: file, name: name))
    for warning in instance.warnings { StandardError.print("Note: \(warning)") }
    switch format {
    case nil: try listing.show(instance) { InstanceText.details(instance) }
    // `--format json --json=lines` prints one line.
    case .json where listing.json: try listing.show(instance)
    case .json: StandardOutput.print(try JSONText.string(instance, pretty: true))
    case .qemu:
      try qemu.show(
        try qemu.words(instance.interfaces, arch: instance.arch), arch: instance.arch, listing)
    case .vfkit:
      try qemu.show(
        try QEMUOptions.failing { try DriverArguments.vfkit(instance.interfaces) },
        arch: instance.arch, listing)
    }
  }
}

struct InstanceDown: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "down", abstract: "Take away what up gave an instance; its guest keeps its link.",
    discussion: "  lima-netd instance down default")

  @Argument(help: "The instance's name.", completion: .instances)
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  struct Outcome: Encodable {
    let name: String
  }

  func run() throws {
    try ControlClient(home).perform(.DELETE, APIPath.instance(name))
    try listing.show(Outcome(name: name)) { "\(name) is down" }
  }
}

struct InstanceList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the instances that are up.",
    discussion: "  lima-netd instance ls --json", aliases: ["list"])

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let instances: [InstanceReport] = try ControlClient(home).get(APIPath.instances)
    try listing.show(instances) { InstanceText.table(instances) }
  }
}

struct InstanceInspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show an instance that is up: its interfaces, forwards and names.",
    discussion: """
        lima-netd instance inspect default
        lima-netd instance inspect default --json \\
          | jq '.forwards[] | select(.state != "open")'

      A forward is open, waiting or failed, with the reason, as in forward ls.
      """)

  @Argument(help: "The instance's name.", completion: .instances)
  var name: String
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let instance: InstanceReport = try ControlClient(home).get(APIPath.instance(name))
    try listing.show(instance) {
      (instance.warnings.map { "Note: \($0)" } + [InstanceText.details(instance)])
        .joined(separator: "\n")
    }
  }
}

enum InstancePath {
  /// Of a lima.yaml or an instance's folder.
  static func existing(_ path: String, in home: LimaHome) throws -> String {
    let file = absolute(path)
    guard Files.exists(file) else {
      throw CommandFailure(
        "There is no \(path)",
        remedy: "A lima.yaml or an instance's folder is taken; Lima's are in:  ls "
          + ShellWord.quoted(home.path))
    }
    return file
  }

  static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : CurrentProcess.workingDirectory + "/" + path
  }
}
