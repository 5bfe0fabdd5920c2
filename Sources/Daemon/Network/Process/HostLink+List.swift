// SPDX-License-Identifier: Apache-2.0
//
// Lists of a network's process, part by part: each is decoded as it comes, in a turn of its own.

import HostProtocol
import Platform

extension HostLink {
  /// Elements that a list has at most: the process may be anybody's, and who asked goes through all of them in one turn.
  private static var maximumElements: Int { 16_384 }

  /// Asks for a list that a plugin writes.
  /// - Parameter request: `listLeases` or `listForwards`.
  func list<Element: Decodable>(
    _ request: HostRequest, of type: Element.Type,
    answer: @escaping (Result<[Element], HostError>) -> Void
  ) {
    part(request, of: Collected<Element>(), answer)
  }

  /// What came of a list: in one place, so that a part costs what it has, not what came before.
  private final class Collected<Element> {
    var elements: [Element] = []
  }

  private func part<Element: Decodable>(
    _ request: HostRequest, of list: Collected<Element>,
    _ answer: @escaping (Result<[Element], HostError>) -> Void
  ) {
    self.request(request) { [weak self] reply in
      let part: ListingPart
      switch reply {
      case .success(.json(let value)): part = ListingPart(value: value, next: nil)
      case .success(.part(let some)): part = some
      case .success: return answer(.success(list.elements))
      case .failure(let error): return answer(.failure(error))
      }
      guard let more = try? JSONText.decode([Element].self, from: part.value) else {
        return answer(
          .failure(HostError(.internal, "the list that its plugin gives makes no sense")))
      }
      list.elements += more
      guard let next = part.next, !more.isEmpty, list.elements.count < Self.maximumElements,
        let self
      else { return answer(.success(list.elements)) }
      self.part(.listingPart(next), of: list, answer)
    }
  }
}
