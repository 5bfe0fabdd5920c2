// SPDX-License-Identifier: Apache-2.0
//
// RegistryError: why no plugin can be had for a network, and the sentence that says so.

import HostProtocol
import Platform

package enum RegistryError: Error, Sendable, Hashable, CustomStringConvertible {
  case unclaimedMode(String, known: [String], failed: [Inspection])
  case unknownName(kind: String, name: String, known: [String])
  case conflict(kind: String, name: String, files: [String])
  case broken(Inspection)
  case nothingInFile(String, kind: String)

  package var code: String {
    switch self {
    case .unclaimedMode, .unknownName: return "NOT_FOUND"
    case .conflict: return "EXISTS"
    case .broken, .nothingInFile: return "INVALID_PLUGIN"
    }
  }

  package var description: String {
    switch self {
    case .unclaimedMode(let mode, _, _) where VZNAT.isMeant(by: mode): return VZNAT.noMode
    case .unclaimedMode(_, known: [], let failed)
    where failed.contains { HostTrouble.isOne($0.detail) }:
      return failed.lazy.compactMap(\.detail).first { HostTrouble.isOne($0) } ?? ""
    case .broken(let inspection) where HostTrouble.isOne(inspection.detail):
      return inspection.detail ?? ""
    case .unclaimedMode(let mode, let known, let failed):
      var text = "no plugin claims mode `\(mode)`: "
      if known.isEmpty {
        text += "there is no network plugin at all (see --plugin-dir)"
      } else {
        text += Plural.there(known)
        if let nearest = Identifier.nearest(to: mode, among: known) {
          text += "; did you mean `\(nearest)`?"
        }
      }
      if !failed.isEmpty {
        text += "; not loaded: " + failed.map { Self.name(of: $0.file) }.joined(separator: ", ")
      }
      return text
    case .unknownName(let kind, let name, let known):
      let there = known.isEmpty ? "there is none" : Plural.there(known)
      let nearest =
        Identifier.nearest(to: name, among: known).map { "; did you mean `\($0)`?" } ?? ""
      return "no \(Self.word(kind)) plugin is called `\(name)`: \(there)\(nearest)"
    case .conflict(let kind, let name, let files):
      let what = kind == "network" ? "mode `\(name)`" : "the name `\(name)`"
      return
        "\(files.joined(separator: " and ")) both claim \(what): remove one, or pin one with `plugin:`"
    case .broken(let inspection):
      return "\(inspection.file) cannot be loaded: \(inspection.detail ?? "unknown reason")"
    case .nothingInFile(let file, let kind):
      return "\(file) has no \(Self.word(kind)) plugin that fits"
    }
  }

  private static func word(_ kind: String) -> String { kind == "dns" ? "DNS" : kind }

  private static func name(of path: String) -> String {
    String(path[(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)...])
  }
}
