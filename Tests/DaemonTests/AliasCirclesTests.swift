// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(5))) struct AliasCirclesTests {
  @Test(
    arguments: [
      (
        ["b.test": ["A.test"], "a.test": ["b.test"], "c.test": ["a.test"]],
        [["a.test", "b.test", "a.test"]]
      ),
      (["a.test": ["a.test."]], [["a.test", "a.test"]]),
      (["*.w.test": ["x.w.test"]], [["x.w.test", "x.w.test"]]),
      // A name between has its own, and what leads out of the table is nobody's circle.
      (["*.w.test": ["x.w.test"], "x.w.test": ["10.0.0.1"]], []),
      (["a.test": ["b.test"], "b.test": ["example.com"]], []),
      (["a.test": ["b.test"], "b.test": ["10.0.0.1"]], []),
    ] as [([String: [String]], [[String]])])
  func `aliases that lead back to themselves are found`(
    hosts: [String: [String]], circles: [[String]]
  ) {
    #expect(AliasCircles(hosts).all == circles)
  }

  @Test func `networks yaml with a circle is warned of at its place`() throws {
    let yaml = """
      dns:
        hosts:
          db.test: www.test
          www.test: db.test
      networks:
        lab: {mode: slirp}
      """
    let configuration = try ConfigDecoder.decode(
      Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h")
    let text = try #require(configuration.warnings.first).text(file: "networks.yaml")
    #expect(
      text.contains("networks.yaml:3:5") && text.contains("db.test, www.test, db.test"), "\(text)")
    #expect(configuration.warnings.count == 1)
  }
}
