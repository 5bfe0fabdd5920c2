// SPDX-License-Identifier: Apache-2.0
//
// One network's instance. README.md shows the order in which these methods are called; the base class documents each of
// them. Two instances may exist in one process, so keep no state outside of them.

import LimaNetdSDK
import PluginAPI

public final class Instance: DNSPlugin {
  public static let schema = """
    {"type":"object","additionalProperties":false,"properties":{
    "name":{"type":"string","default":"hello.__NAME__.test","minLength":1,"maxLength":253,
    "description":"The name that is answered"},
    "address":{"type":"string","format":"ipv4","default":"192.0.2.1",
    "description":"Its address"}}}
    """

  private let known: Record
  private var questions = 0

  public required init(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    known = try Self.record(config.options)
    try super.init(host: host, config: config)
  }

  public override class func validate(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    _ = try record(config.options)
  }

  private static func record(_ options: Options) throws(PluginFailure) -> Record {
    guard let address = Record.address(try options.string("address") ?? "192.0.2.1") else {
      throw .invalid("/address", "not an IPv4 address")
    }
    let name = try options.string("name") ?? "hello.__NAME__.test"
    guard let record = Record(name: name, address: address) else {
      throw .invalid("/name", "not a domain name")
    }
    return record
  }

  /// `op` must be completed exactly once, here immediately. A plugin that answers later keeps a copy of the question, and
  /// drops it in `cancel`.
  public override func resolve(_ op: lnd_op, _ query: DNSQuery) {
    questions += 1
    guard let answer = known.answer(Array(query.message)) else {
      host.complete(op, LND_ERR_UNSUPPORTED)
      return
    }
    answer.withUnsafeBytes { host.complete(op, LND_OK, $0) }
  }

  /// For `lima-netd status`: one JSON object.
  public override func status(_ sink: lnd_sink) {
    host.write(sink, "{\"questions\":\(questions)}")
  }
}
