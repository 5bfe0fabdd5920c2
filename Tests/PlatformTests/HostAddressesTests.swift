// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Platform

@Suite("Host addresses", .serialized, .timeLimit(.minutes(1)))
struct HostAddressesTests {
  @Test func `one moment without descriptors does not make every address the host's`() throws {
    let (addresses, meanwhile, areFree) = try #require(
      ResourceLimit.descriptors.lowered(to: 0) {
        let addresses = HostAddresses()
        return (addresses, addresses.contains([192, 0, 2, 77]), Descriptor.areFree(1))
      })
    #if os(Linux)
      #expect(meanwhile, "what is unknown counts as the host's")
    #endif
    #expect(!areFree && Descriptor.areFree(1))
    #expect(!addresses.contains([192, 0, 2, 77]))
    #expect(addresses.contains([127, 0, 0, 1]))
  }
}
