// SPDX-License-Identifier: Apache-2.0
//
// Lists of a network's process, part by part: each is decoded as it comes, in a job of its own.

import HostProtocol
import Platform

extension HostLink {
  /// Elements that a list has at most: the process may be anybody's, and who asked goes through all of them in one job.
  private static var maximumElements: Int { 16_384 }

  /// Asks for a list that a plugin writes.
  /// - Parameter request: `listLeases` or `listForwards`.
  func list<Element: Decodable>(
    _ request: HostRequest, of type: Element.Type
  ) async throws(HostError) -> [Element] {
    try await list(from: send(request), of: type)
  }

  /// The list whose first part has been asked for.
  func list<Element: Decodable>(
    from first: Answer, of type: Element.Type
  ) async throws(HostError) -> [Element] {
    var elements: [Element] = []
    var reply = try await first.value()
    while true {
      let part: ListingPart
      switch reply {
      case .json(let value): part = ListingPart(value: value, next: nil)
      case .part(let some): part = some
      default: return elements
      }
      guard let more = try? JSONText.decode([Element].self, from: part.value) else {
        throw HostError(.internal, "the list that its plugin gives makes no sense")
      }
      elements += more
      guard let next = part.next, !more.isEmpty, elements.count < Self.maximumElements else {
        return elements
      }
      reply = try await ask(.listingPart(next))
    }
  }
}
