// SPDX-License-Identifier: Apache-2.0
//
// NetworksMeaning: the contents of a networks.yaml without order, marks and comments, to compare two of them. Pure.

struct NetworksMeaning: Equatable {
  private var top: [String: JSONValue] = [:]
  private var networks: [String: JSONValue] = [:]

  init(_ root: YAMLNode?) {
    guard let root, case .mapping(let members) = root.content else { return }
    for member in members {
      guard member.key == "networks" else {
        top[member.key] = member.value.jsonValue
        continue
      }
      guard case .mapping(let entries) = member.value.content else { continue }
      for entry in entries { networks[entry.key] = entry.value.jsonValue }
    }
  }

  func setting(_ name: String, to node: YAMLNode?) -> NetworksMeaning {
    var result = self
    result.networks[name] = node?.jsonValue
    return result
  }
}
