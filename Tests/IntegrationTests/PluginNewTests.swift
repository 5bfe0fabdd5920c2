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
