// SPDX-License-Identifier: Apache-2.0
//
// Long lists of a network's process, in parts, so that neither side is busy with all of it at once.

import JSONCoding

/// A part of a list.
package struct ListingPart: Codable, Hashable, Sendable {
  /// An array, written by a plugin.
  package var value: JSONValue
  /// Where the next part is (`HostRequest.listingPart`); nil: this was the last.
  package var next: ListingPlace?

  package init(value: JSONValue, next: ListingPlace?) {
    self.value = value
    self.next = next
  }
}

/// A part of a list that the process keeps until its last part was asked for, or a few others came.
package struct ListingPlace: Codable, Hashable, Sendable {
  package var listing: UInt64
  package var part: Int

  package init(listing: UInt64, part: Int) {
    self.listing = listing
    self.part = part
  }
}
