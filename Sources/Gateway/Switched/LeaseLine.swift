// SPDX-License-Identifier: Apache-2.0
//
// An element of limanetd.lease/1 `list` as JSON text. The leases of a network, at most 4,096 of each family, are written in
// one call: as bytes, without intermediate JSON values.

import LimaNetdSDK
import Wire

package struct LeaseLine {
  package var address: IPAddress
  package var mac: MACAddress
  /// The guest's name.
  package var name: String
  /// The station's host name.
  package var hostname: String
  package var state: String
  /// Nanoseconds of the clock of `now`; nil: no end.
  package var expiry: UInt64?
  package var now: UInt64

  package init(
    address: IPAddress, mac: MACAddress, name: String, hostname: String, state: String,
    expiry: UInt64?, now: UInt64
  ) {
    self.address = address
    self.mac = mac
    self.name = name
    self.hostname = hostname
    self.state = state
    self.expiry = expiry
    self.now = now
  }

  /// A JSON array.
  package static func array(_ lines: some Collection<LeaseLine>) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(2 + lines.count * 160)
    output.append(UInt8(ascii: "["))
    for line in lines {
      if output.count > 1 { output.append(UInt8(ascii: ",")) }
      line.write(to: &output)
    }
    output.append(UInt8(ascii: "]"))
    return output
  }

  private func write(to output: inout [UInt8]) {
    Self.write(#"{"address":""#, to: &output)
    Self.write(address, to: &output)
    Self.write(#"","mac":""#, to: &output)
    for shift in stride(from: UInt64(40), through: 0, by: -8) {
      let byte = UInt8(truncatingIfNeeded: mac.rawValue >> shift)
      output.append(Self.digit(byte >> 4))
      output.append(Self.digit(byte & 15))
      if shift > 0 { output.append(UInt8(ascii: ":")) }
    }
    Self.write(#"","name":"#, to: &output)
    Self.quote(name, to: &output)
    Self.write(#","hostname":"#, to: &output)
    Self.quote(hostname, to: &output)
    Self.write(#","state":"#, to: &output)
    Self.quote(state, to: &output)
    Self.write(#","expires":"#, to: &output)
    if let expiry {
      Self.write((expiry > now ? expiry - now : 0) / 1_000_000_000, to: &output)
    } else {
      Self.write("null", to: &output)
    }
    output.append(UInt8(ascii: "}"))
  }

  /// The same text as `IPAddress.description`.
  private static func write(_ address: IPAddress, to output: inout [UInt8]) {
    if address.isV4 {
      write(UInt64(address.v4 >> 24), to: &output)
      for shift in stride(from: UInt32(16), through: 0, by: -8) {
        output.append(UInt8(ascii: "."))
        write(UInt64(address.v4 >> shift & 0xff), to: &output)
      }
      return
    }
    func group(_ index: Int) -> UInt16 {
      let half = index < 4 ? address.high : address.low
      return UInt16(truncatingIfNeeded: half >> UInt64(48 - index % 4 * 16))
    }
    // RFC 5952 §4.2: the longest run of at least two zero groups, the first of several.
    var (gap, length, run) = (0, 0, 0)
    for index in 0..<8 {
      run = group(index) == 0 ? run + 1 : 0
      if run >= 2, run > length { (gap, length) = (index + 1 - run, run) }
    }
    var index = 0
    while index < 8 {
      if length > 0, index == gap {
        write("::", to: &output)
        index += length
        continue
      }
      if index > 0, length == 0 || index != gap + length { output.append(UInt8(ascii: ":")) }
      let value = group(index)
      var hasBegun = false
      for shift in stride(from: UInt16(12), through: 0, by: -4) {
        let nibble = UInt8(value >> shift & 15)
        hasBegun = hasBegun || nibble != 0 || shift == 0
        if hasBegun { output.append(digit(nibble)) }
      }
      index += 1
    }
  }

  /// A JSON string. Most texts have nothing to escape.
  private static func quote(_ text: String, to output: inout [UInt8]) {
    let isPlain = text.utf8.withContiguousStorageIfAvailable { bytes in
      let isPlain = bytes.allSatisfy {
        $0 >= 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
      }
      guard isPlain else { return false }
      output.append(UInt8(ascii: "\""))
      output.append(contentsOf: bytes)
      output.append(UInt8(ascii: "\""))
      return true
    }
    if isPlain != true { JSONValue.write(text, to: &output) }
  }

  private static func digit(_ value: UInt8) -> UInt8 {
    value + (value < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
  }

  private static func write(_ text: StaticString, to output: inout [UInt8]) {
    text.withUTF8Buffer { output.append(contentsOf: $0) }
  }

  private static func write(_ number: UInt64, to output: inout [UInt8]) {
    let start = output.count
    var rest = number
    repeat {
      output.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    output[start...].reverse()
  }
}
