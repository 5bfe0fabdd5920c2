// SPDX-License-Identifier: Apache-2.0
//
// Names as users write them, in any script, converted to the DNS form (RFC 5890 2.3.2.1, RFC 3492): lower case,
// composed, each label with non-ASCII letters as "xn--" and Punycode. Names in .local stay UTF-8, as in multicast DNS
// (RFC 6762 16). The mapping of UTS 46 beyond case and composition (ligatures, widths) is not applied: such a name is
// looked up as it is.

@_spi(_Unicode) import Swift

extension DNSName {
  /// Presentation form in any script; nil as for `init(_:)`, and when a label becomes too long.
  package init?(userText text: String) {
    guard !text.utf8.allSatisfy({ $0 < 0x80 }) else {
      self.init(text)
      return
    }
    // The full stops of other scripts separate labels, too (RFC 3490 3.1).
    let stops: Set<Unicode.Scalar> = ["\u{3002}", "\u{FF0E}", "\u{FF61}"]
    let plain = String(
      String.UnicodeScalarView(text.unicodeScalars.map { stops.contains($0) ? "." : $0 }))
    let labels = plain.split(separator: ".", omittingEmptySubsequences: false)
    let last = labels.last { !$0.isEmpty }?.lowercased()
    if last == "local" {
      self.init(plain)
      return
    }
    var ascii: [String] = []
    for label in labels {
      if label.utf8.allSatisfy({ $0 < 0x80 }) {
        ascii.append(String(label))
        continue
      }
      let scalars = Array(String(label).lowercased()._nfc)
      guard let encoded = Punycode.encode(scalars) else { return nil }
      ascii.append("xn--" + encoded)
    }
    self.init(ascii.joined(separator: "."))
  }
}

/// RFC 3492.
enum Punycode {
  private static let base = 36
  private static let digits = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)

  /// nil when the result is not a label: too long, or ASCII only.
  static func encode(_ scalars: [Unicode.Scalar]) -> String? {
    guard (1...DNSName.maximumLabel).contains(scalars.count) else { return nil }
    var output = scalars.filter(\.isASCII).map { UInt8(truncatingIfNeeded: $0.value) }
    var handled = output.count
    let basic = handled
    guard basic < scalars.count else { return nil }
    if basic > 0 { output.append(UInt8(ascii: "-")) }
    var (n, delta, bias) = (UInt32(128), 0, 72)
    while handled < scalars.count {
      guard let next = scalars.map(\.value).filter({ $0 >= n }).min() else { return nil }
      // At most 0x10FFFF times 64: no overflow.
      delta += Int(next - n) * (handled + 1)
      n = next
      for scalar in scalars {
        if scalar.value < n { delta += 1 }
        guard scalar.value == n else { continue }
        append(delta, bias, to: &output)
        bias = adapt(delta, count: handled + 1, isFirst: handled == basic)
        delta = 0
        handled += 1
      }
      delta += 1
      n += 1
    }
    return String(decoding: output, as: UTF8.self)
  }

  private static func append(_ delta: Int, _ bias: Int, to output: inout [UInt8]) {
    var rest = delta
    var k = base
    while true {
      let threshold = min(max(k - bias, 1), 26)
      guard rest >= threshold else { break }
      output.append(digits[threshold + (rest - threshold) % (base - threshold)])
      rest = (rest - threshold) / (base - threshold)
      k += base
    }
    output.append(digits[rest])
  }

  private static func adapt(_ delta: Int, count: Int, isFirst: Bool) -> Int {
    var delta = isFirst ? delta / 700 : delta / 2
    delta += delta / count
    var k = 0
    while delta > (base - 1) * 26 / 2 {
      delta /= base - 1
      k += base
    }
    return k + base * delta / (delta + 38)
  }
}
