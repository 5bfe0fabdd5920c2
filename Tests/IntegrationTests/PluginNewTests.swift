// SPDX-License-Identifier: Apache-2.0
//
// plugin new: what it makes builds, passes its own test and lima-netd's, and works for a guest.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PluginNewTests {
    struct Template: CustomTestStringConvertible {
      var kind: String
      var language: String
      var testDescription: String { "\(kind) in \(language)" }

      static let all = ["c", "rust", "swift"].flatMap { language in
        ["network", "dns"].map { Template(kind: $0, language: language) }
      }
    }

    @Test(arguments: Template.all) func aNewPluginBuildsKeepsTheRulesAndWorks(_ template: Template)
      throws
    {
      try require(.tap, .program("make"), .program("cc"))
      if template.language == "rust" { try requireCargo() }
      let folder = "/tmp/lndn\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let made = try run(
        Installation.daemon,
        [
          "plugin", "new", "my-first", "--kind", template.kind, "--lang", template.language,
          "--dir", folder, "--sdk", Installation.root + "/SDK",
        ])
      try #require(made.succeeded, "\(made)")
      func make(_ target: String...) throws -> CommandResult {
        try run(
          "make", ["-C", folder, "LIMA_NETD=\(Installation.daemon)"] + target, seconds: 280)
      }
      let built = try make()
      try #require(built.succeeded, "\(built)")
      // Swift's own test builds all of it a second time: once is enough.
      if template.language != "swift" || template.kind == "dns" {
        let tested = try make("test")
        #expect(tested.succeeded, "\(tested)")
      }
      let checked = try make("check")
      #expect(checked.succeeded && checked.output.contains(" 0 failed, 0 skipped"), "\(checked)")
      let tried = try make("try")
      let works = template.kind == "network" ? "3 received" : "192.0.2.1"
      #expect(tried.succeeded && tried.output.contains(works), "\(tried)")
      for file in ["README.md", ".gitignore", ".github/workflows/ci.yml", "plugin.map"] {
        #expect(FileManager.default.fileExists(atPath: "\(folder)/\(file)"), "\(file)")
      }
      let left = try run("grep", ["-rlE", "__(NAME|IDENT)__", folder, "--exclude-dir=.build"])
      #expect(left.output.isEmpty, "\(left)")
    }

    @Test func `examples of an installed SDK that is root's are built from a copy`() throws {
      try require(.program("make"), .program("cc"), .program("bash"))
      let folder = "/tmp/lndn\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let installed = try run(
        Installation.root + "/Scripts/install-sdk", [folder, "1.0.0", folder, folder], seconds: 60)
      try #require(installed.succeeded, "\(installed)")
      let sdk = folder + "/share/lima-netd/sdk"
      func copy(_ example: String) throws -> CommandResult {
        try run(
          Installation.daemon,
          ["plugin", "new", "--example", example, "--sdk", sdk, "--dir", "\(folder)/\(example)"])
      }
      var builds = [("hello", "make"), ("2-dns-zone", "make"), ("6-vxlan", "make")]
      if Requirement.program("cargo").missing == nil { builds.append(("blocklist", "make")) }
      // Building those in Swift takes minutes; that they find the SDK shows here.
      builds.append(("5-lab", "swift package resolve"))
      for (example, command) in builds {
        let made = try copy(example)
        #expect(made.succeeded, "\(made)")
        let built = try run("sh", ["-c", "cd \(folder)/\(example) && \(command)"], seconds: 120)
        #expect(built.succeeded, "\(example): \(built)")
      }
      let unknown = try copy("9-nothing")
      #expect(!unknown.succeeded && unknown.errors.contains("4-blocklist"), "\(unknown)")
    }

    /// Rust is not among Debian's packages that the tests install: without it the test says so.
    private func requireCargo() throws {
      if let reason = Requirement.program("cargo").missing {
        try Test.cancel(Comment(rawValue: reason))
      }
    }

    @Test func aFolderThatIsThereIsNotWrittenTo() throws {
      let folder = "/tmp/lndn\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let arguments = [
        "plugin", "new", "mine", "--dir", folder, "--sdk", Installation.root + "/SDK",
      ]
      #expect(try run(Installation.daemon, arguments).succeeded)
      let second = try run(Installation.daemon, arguments)
      #expect(!second.succeeded && second.errors.contains("is there already"), "\(second)")
      let name = try run(Installation.daemon, ["plugin", "new", "Mine_1"])
      #expect(!name.succeeded && name.errors.contains("no name for a plugin"), "\(name)")
    }
  }
}
