// SPDX-License-Identifier: Apache-2.0

/// A hash of octets that stands for them where a table keeps none: 64 bits, with a seed of this
/// process that nobody else knows, so that nobody can make two octet strings share one.
package func byteHash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  var hasher = Hasher()
  bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  return UInt64(bitPattern: Int64(hasher.finalize()))
}
