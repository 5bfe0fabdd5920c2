// SPDX-License-Identifier: Apache-2.0
//
// Long lists of a network process, in parts, so that neither side is busy with the whole list at once.

import JSONCoding

/// A part of a list.
package struct ListingPart: Codable, Hashable, Sendable {
  /// An array of elements that a plugin wrote.
  package var value: JSONValue
  /// The place of the next part (`HostRequest.listingPart`); nil: this was the last.
  package var next: ListingPlace?

  package init(value: JSONValue, next: ListingPlace?) {
    self.value = value
    self.next = next
  }
}

/// A place in a list that the process keeps until its last part was requested, or too many other lists followed.
package struct ListingPlace: Codable, Hashable, Sendable {
  package var listing: UInt64
  package var part: Int

  package init(listing: UInt64, part: Int) {
    self.listing = listing
    self.part = part
  }
}
