// SPDX-License-Identifier: Apache-2.0
//
// An element of `list` of limanetd.lease/1 as JSON text. All of a network's are written in one call, 4,096 of each family
// at most: bytes are put one behind the other, without a value in between.

import LimaNetdSDK
import Wire

package struct LeaseLine {
  package var address: IPAddress
  package var mac: MACAddress
  /// Of the guest's link.
  package var name: String
  /// What the station calls itself.
  package var hostname: String
  package var state: String
  /// Nil: it does not end. Nanoseconds, of the same clock as `now`.
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
    if address.isV4 {
      for shift in [24, 16, 8, 0] as [UInt32] {
        Self.write(UInt64(address.v4 >> shift & 0xff), to: &output)
        if shift > 0 { output.append(UInt8(ascii: ".")) }
      }
    } else {
      output += address.description.utf8
    }
    Self.write(#"","mac":""#, to: &output)
    for shift in stride(from: UInt64(40), through: 0, by: -8) {
      let byte = UInt8(truncatingIfNeeded: mac.rawValue >> shift)
      output.append(Self.digit(byte >> 4))
      output.append(Self.digit(byte & 15))
      if shift > 0 { output.append(UInt8(ascii: ":")) }
    }
    Self.write(#"","name":"#, to: &output)
    JSONValue.write(name, to: &output)
    Self.write(#","hostname":"#, to: &output)
    JSONValue.write(hostname, to: &output)
    Self.write(#","state":"#, to: &output)
    JSONValue.write(state, to: &output)
    Self.write(#","expires":"#, to: &output)
    if let expiry {
      Self.write((expiry > now ? expiry - now : 0) / 1_000_000_000, to: &output)
    } else {
      Self.write("null", to: &output)
    }
    output.append(UInt8(ascii: "}"))
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
