// SPDX-License-Identifier: Apache-2.0
//
// Listings: long arrays written by a plugin (4,096 leases are 600 KB of JSON), replied in parts. Checking one, and
// encoding it as one message, would each exceed the time limit of a loop iteration: a worker thread checks it, and
// the supervisor requests each part. Thread: loop only, except what the worker runs.

import HostProtocol
import JSONCoding
import Platform

final class Listings {
  /// Octets up to which an array is checked on the loop and replied at once: some 0.3 ms.
  private static let shortLength = 16 << 10
  /// Elements per part.
  private static let elementsOfPart = 128
  /// Maximum lists kept for requests of further parts; the oldest is dropped first.
  private static let maximumKept = 8

  private let pool: WorkerPool<[UInt8], Result<[JSONValue], JSONSyntaxError>>
  private let log: HostLog
  /// Requests that wait for the check, and the plugin that wrote the array.
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

  /// The reply to a request for a list; nil: `finish` returns it later.
  /// - Parameter bytes: the plugin's text: a JSON array.
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

  /// The reply to a request for a further part.
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

  /// At the end of an iteration: the finished checks, with their requests.
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

  /// [any thread] An array as one or more parts. A value that is not an array is one part, for the caller to judge.
  private static func parts(of bytes: [UInt8]) throws(JSONSyntaxError) -> [JSONValue] {
    let value = try JSONValue(parsing: bytes)
    guard case .array(let elements) = value, !elements.isEmpty else { return [value] }
    return stride(from: 0, to: elements.count, by: elementsOfPart).map {
      .array(Array(elements[$0..<min($0 + elementsOfPart, elements.count)]))
    }
  }
}

extension NetworkProcess {
  /// At the end of an iteration.
  func finishListings() {
    for (request, reply) in listings.finish() { control.reply(request, reply) }
  }
}
