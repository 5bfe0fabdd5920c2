// SPDX-License-Identifier: Apache-2.0
//
// Fuzz targets of what the supervisor reads: networks.yaml and the schemas of plugins.

import Daemon
import FuzzTargets
import JSONCoding

extension FuzzTarget {
  static func texts(_ list: [String]) -> [[UInt8]] { list.map { Array($0.utf8) } }

  /// Those of the supervisor.
  public static let daemon = [yaml, limaYAML, endpoint, schema]

  static let yaml = FuzzTarget(
    "yaml",
    seeds: texts([
      "networks:\n  a:\n    mode: slirp\n", "a: &x [1, *x]\n", "a: !!int 5\n", "? [a]\n: b\n",
      "a: 'it''s'\nb: \"\\u263a\\n\"\n", "a: |\n  text\n", "a: 1\na: 2\n", "- - - - []\n",
      "%YAML 1.1\n---\n",
      "networks:\n  lab:\n    mode: slirp\n    options: {hostLoopback: false}\n    dns: {plugin: hostdns}\n",
      "networks:\n  user-v2:\n    mode: user-v2\n    gateway: 192.168.104.1\n    netmask: 255.255.255.0\n",
      "paths: {socketVMNet: /x}\ngroup: everyone\n", "\u{feff}a: b", "a:\tb", "{a: b, c", "\u{0}",
    ])
  ) { bytes in
    if let node = try? YAMLReader.read(bytes) {
      expectFuzz(node.height <= YAMLLimits().depth + 1, "a tree is as high as it may be")
    }
    do {
      _ = try ConfigDecoder.decode(bytes, file: "networks.yaml", homeDirectory: "/home/user")
    } catch {
      expectFuzz(!"\(error)".isEmpty, "an error says something")
    }
  }

  /// A schema, a zero byte, and the value it is held against.
  static let schema = FuzzTarget(
    "schema",
    seeds: texts([
      #"{"type":"object","properties":{"a":{"type":"integer","minimum":1}}}"# + "\u{0}{\"a\":0}",
      ##"{"$defs":{"x":{"$ref":"#/$defs/x"}},"$ref":"#/$defs/x"}"## + "\u{0}1",
      #"{"properties":{"a":{"type":"string","pattern":"^(a|b)*$"}}}"# + "\u{0}{\"a\":\"aab\"}",
      #"{"properties":{"a":{"format":"ipv4","default":"1.2.3.4"}}}"# + "\u{0}{}",
      #"{"anyOf":[{"type":"null"},{"enum":[1,2]}]}"# + "\u{0}3",
      #"{"additionalProperties":{"type":"array","items":{"format":"duration"}}}"#
        + "\u{0}{\"a\":[\"1h\"]}",
    ])
  ) { bytes in
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let value = try? JSONValue(parsing: Array(parts[1])) else { return }
    guard let schema = Schema(text: String(decoding: parts[0], as: UTF8.self)) else { return }
    _ = schema.propertyNames
    let first = schema.check(value)
    // Defaults that were filled in fit.
    if first.problems.isEmpty {
      expectFuzz(schema.check(first.value).value == first.value, "checked twice")
    }
  }
}
