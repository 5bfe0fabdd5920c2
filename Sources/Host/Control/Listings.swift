// SPDX-License-Identifier: Apache-2.0
//
// Listings: long arrays that a plugin wrote (4,096 leases are 600 KB of JSON), passed on in parts. To check one, and to put
// it into one message, would each take longer than a turn may: the check is a thread's, and each part is asked for by a
// request of its own. Thread: loop only, but for what the worker runs.

import HostProtocol
import JSONCoding
import Platform

final class Listings {
  /// Octets that are checked and passed on at once: some 0.3 ms.
  private static let shortLength = 16 << 10
  /// Elements of one part.
  private static let elementsOfPart = 128
  /// Lists kept for who asks for their parts; the oldest goes, whoever may still want it.
  private static let maximumKept = 8

  private let pool: WorkerPool<[UInt8], Result<[JSONValue], JSONSyntaxError>>
  private let log: HostLog
  /// Requests that wait for the check, and who wrote it.
  private var waiting: [UInt64: (request: UInt64, plugin: String, component: String)] = [:]
  private var kept: [(listing: UInt64, parts: [JSONValue])] = []
  private var last: UInt64 = 0

  init(waker: Waker, log: HostLog) {
    self.log = log
    pool = WorkerPool(
      threads: 1, queue: Self.maximumKept,
      work: { bytes in
        Result { () throws(JSONSyntaxError) in try Self.parts(of: bytes) }
      }, notify: { waker.wake() })
  }

  /// The reply to a request for a list; nil: it comes later, by `finish`.
  /// - Parameter bytes: what the plugin wrote: a JSON array.
  func reply(_ bytes: [UInt8], to request: UInt64, _ bridge: PluginBridge) throws(HostError)
    -> HostReply?
  {
    if bytes.count <= Self.shortLength {
      guard let value = PluginJSON.checked(bytes, bridge) else { throw Self.noJSON(bridge.name) }
      return .json(value)
    }
    last &+= 1
    guard pool.submit(last, bytes) else {
      throw HostError(.busy, "many lists are under way")
    }
    waiting[last] = (request, bridge.name, bridge.component)
    return nil
  }

  /// The reply to a request for another part.
  func part(_ place: ListingPlace) throws(HostError) -> HostReply {
    guard let parts = kept.first(where: { $0.listing == place.listing })?.parts,
      parts.indices.contains(place.part)
    else { throw HostError(.notFound, "the list is not kept any more") }
    let isLast = place.part == parts.count - 1
    if isLast { kept.removeAll { $0.listing == place.listing } }
    return .part(
      ListingPart(
        value: parts[place.part],
        next: isLast ? nil : ListingPlace(listing: place.listing, part: place.part + 1)))
  }

  /// At the end of a turn: what was checked, with the requests it was for.
  func finish() -> [(request: UInt64, reply: HostReply)] {
    guard !waiting.isEmpty else { return [] }
    return pool.take().compactMap { id, result in
      guard let (request, plugin, component) = waiting.removeValue(forKey: id) else { return nil }
      do {
        kept.append((id, try result.get()))
        if kept.count > Self.maximumKept { kept.removeFirst() }
        return (request, try part(ListingPlace(listing: id, part: 0)))
      } catch {
        log.warning(component, "wrote what is \(error)")
        return (request, .failed(Self.noJSON(plugin)))
      }
    }
  }

  private static func noJSON(_ plugin: String) -> HostError {
    HostError(.internal, "the plugin's answer is no JSON", plugin: plugin)
  }

  /// [any thread] An array as several, of which there is always one. What is no array is left to whoever reads it.
  private static func parts(of bytes: [UInt8]) throws(JSONSyntaxError) -> [JSONValue] {
    let value = try JSONValue(parsing: bytes)
    guard case .array(let elements) = value, !elements.isEmpty else { return [value] }
    return stride(from: 0, to: elements.count, by: elementsOfPart).map {
      .array(Array(elements[$0..<min($0 + elementsOfPart, elements.count)]))
    }
  }
}

extension NetworkProcess {
  /// At the end of a turn.
  func finishListings() {
    for (request, reply) in listings.finish() { control.reply(request, reply) }
  }
}
