// SPDX-License-Identifier: Apache-2.0
//
// Random header fields.

import Wire

extension SeededGenerator {
  package mutating func value<Value: FixedWidthInteger>() -> Value {
    Value(truncatingIfNeeded: next())
  }
  package mutating func mac() -> MACAddress { MACAddress(next()) }
  package mutating func v4() -> IPAddress { IPAddress(v4: value()) }
  package mutating func v6() -> IPAddress { IPAddress(high: next() | 1 << 63, low: next()) }
}
