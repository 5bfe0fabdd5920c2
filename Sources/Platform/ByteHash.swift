// SPDX-License-Identifier: Apache-2.0

/// A 64-bit hash of octets, for tables that do not store the octets themselves. Its seed is random and private to
/// this process, so that a peer cannot construct collisions.
package func byteHash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
  var hasher = Hasher()
  bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
  return UInt64(bitPattern: Int64(hasher.finalize()))
}
