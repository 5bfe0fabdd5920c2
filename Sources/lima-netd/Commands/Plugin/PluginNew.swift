// SPDX-License-Identifier: Apache-2.0
//
// plugin new: creates the project of a working plugin.

import ArgumentParser
import Daemon
import Platform

extension PluginKind: ExpressibleByArgument {}
extension PluginLanguage: ExpressibleByArgument {}

struct PluginNew: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Begin a plugin: a folder that builds with make, and works.",
    discussion: """
      The network answers ARP, DHCP and ping; the DNS plugin answers one name. The folder stands alone: the part of the \
      SDK that it needs is copied into it, with a test, a README and a file for CI.

        lima-netd plugin new mine --kind network --lang c
        cd lima-net-mine && make && make test && make check && make try

      An example of the SDK is copied likewise, to be built, read and changed:

        lima-netd plugin new --example 4-blocklist
        cd 4-blocklist && make
      """)

  @Argument(help: "Its name: lower-case letters and digits, with hyphens between them.")
  var name: String?
  @Option(
    help: ArgumentHelp(
      "Copy this example of the SDK instead, as 4-blocklist or blocklist; SDK/README.md tells of each.",
      valueName: "example"))
  var example: String?
  @Option(help: "network or dns.")
  var kind = PluginKind.network
  @Option(name: .customLong("lang"), help: "c, swift or rust.")
  var language = PluginLanguage.c
  @Option(
    help: ArgumentHelp(
      "The folder to make. (default: lima-net-NAME, lima-dns-NAME or the example's name)",
      valueName: "dir"),
    completion: .directory)
  var dir: String?
  @Option(
    help: ArgumentHelp("The SDK, where it is not this installation's.", valueName: "dir"),
    completion: .directory)
  var sdk: String?
  @OptionGroup var listing: ListingOptions

  struct Outcome: Encodable {
    let name: String
    let kind: String
    let language: String
    let folder: String
    /// The file that make builds.
    let file: String
  }

  struct ExampleOutcome: Encodable {
    let example: String
    let folder: String
  }

  func validate() throws {
    guard let name else {
      guard example != nil else {
        throw ValidationError("Missing expected argument '<name>': what is the plugin called?")
      }
      return
    }
    guard example == nil else {
      throw ValidationError(
        "An example keeps its name: plugin new --example \(example ?? "") [--dir DIR]")
    }
    guard Self.isValid(name) else {
      throw ValidationError(
        "\(name) is no name for a plugin: lower-case letters and digits, a letter first, hyphens between them, 32 at most."
      )
    }
  }

  /// Whether the name is valid in a file name, as a mode, and as a package of Cargo and SwiftPM.
  static func isValid(_ name: String) -> Bool {
    guard let first = name.utf8.first, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first)
    else { return false }
    return name.utf8.count <= 32 && Identifier.isValid(name)
      && name.utf8.allSatisfy {
        $0 == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
          || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
      }
  }

  func run() throws {
    guard let name else { return try copyExample() }
    let folder = dir ?? "lima-\(kind.word)-\(name)"
    try make(folder) {
      try ProjectFiles(name: name, kind: kind, language: language, sdk: $0)
    }
    let built = kind == .network ? "a guest pings through it" : "it is asked"
    let outcome = Outcome(
      name: name, kind: kind.rawValue, language: language.rawValue, folder: folder,
      file: "lima-\(kind.word)-\(name).so")
    try listing.show(outcome) {
      """
      \(folder) is a \(kind.rawValue) plugin that works. Next:
        cd \(ShellWord.quoted(folder))
        make          builds \(outcome.file)
        make test     its own test
        make check    lima-netd's tests of a plugin
        make try      \(built)
      README.md tells the rest.
      """
    }
  }

  private func copyExample() throws {
    let sdk = try source()
    guard let found = sdk.example(example ?? "") else {
      throw CommandFailure(
        "The SDK has no example `\(example ?? "")`: \(Plural.there(sdk.examples))")
    }
    let folder = dir ?? found
    try make(folder) { try ProjectFiles(example: found, sdk: $0) }
    let isMade = Files.exists(folder + "/Makefile")
    try listing.show(ExampleOutcome(example: found, folder: folder)) {
      """
      \(folder) is the example \(found), with the part of the SDK that it needs. Next:
        cd \(ShellWord.quoted(folder)) && \(isMade ? "make" : "swift build -c release")
      """
    }
  }

  private func make(_ folder: String, _ files: (SDKFolder) throws -> ProjectFiles) throws {
    if let there = try? Files.info(folder) {
      let isEmpty = there.kind == .directory && (try? Files.list(folder).isEmpty) == true
      guard isEmpty else {
        throw CommandFailure(
          "\(folder) is there already", remedy: "Choose another folder with --dir.")
      }
    }
    do {
      try files(source()).write(to: folder)
    } catch let error as SystemError {
      throw CommandFailure("\(folder) could not be made: \(error)")
    }
  }

  private func source() throws -> SDKFolder {
    if let sdk {
      guard let folder = SDKFolder(given: sdk) else {
        throw CommandFailure("\(sdk) is no SDK of lima-netd: it has no templates or no headers")
      }
      return folder
    }
    guard let folder = SDKFolder(executable: try ChildProcess.ownPath()) else {
      throw CommandFailure(
        "lima-netd's SDK is not installed beside it",
        remedy: "make install puts it into PREFIX/share/lima-netd/sdk; another one: --sdk DIR")
    }
    return folder
  }
}
