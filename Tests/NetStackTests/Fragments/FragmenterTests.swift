// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

@Suite("Fragmentation", .timeLimit(.minutes(5)))
struct FragmenterTests {
  private func header(_ payloadLength: Int) -> IPv4Header {
    IPv4Header(
      source: .loopbackV4, destination: .anyV4, protocolNumber: 17, payloadLength: payloadLength,
      identification: 77)
  }

  @Test("fragments fit the MTU, begin at multiples of eight and join without gaps")
  func shape() throws {
    for mtu in [68, 69, 575, 576, 1500, 9000, 65520] {
      for length in [1, 8, 1473, 4000, 65515] {
        var fragmenter = try #require(Fragmenter(header(length), mtu: mtu))
        var end = 0
        var last = true
        while let (header, range) = fragmenter.next() {
          #expect(range.lowerBound == end && header.fragmentOffset == end)
          #expect(end % 8 == 0 && range.count == header.payloadLength)
          #expect(20 + range.count <= mtu)
          #expect(header.identification == 77)
          end = range.upperBound
          last = header.moreFragments
          #expect(last == (end < length))
        }
        #expect(end == length && !last)
      }
    }
  }

  @Test("a fragment of a fragment keeps its place")
  func nested() throws {
    var header = header(200)
    header.fragmentOffset = 800
    header.moreFragments = true
    var fragmenter = try #require(Fragmenter(header, mtu: 120))
    var offsets: [Int] = []
    while let (header, _) = fragmenter.next() {
      offsets.append(header.fragmentOffset)
      #expect(header.moreFragments)
    }
    #expect(offsets == [800, 896, 992])
  }

  @Test("an MTU below 68 or an impossible length is refused")
  func refused() {
    #expect(Fragmenter(header(100), mtu: 67) == nil)
    #expect(Fragmenter(header(65516), mtu: 1500) == nil)
    #expect(Fragmenter(header(-1), mtu: 1500) == nil)
  }
}
