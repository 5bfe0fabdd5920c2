// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Platform

/// A parsed hosts(5): the addresses of its names, the names above them, and the names of addresses. With the
/// semantics of getaddrinfo for both families: the file decides about every type of a listed name, and all its lines
/// with that name count.
///
/// A value of flat arrays, so that even a large one is released quickly. Names are stored as 64-bit hashes with a
/// secret seed.
package struct HostsFile: Sendable {
  package enum Finding: Equatable, Sendable {
    case missing
    /// Not listed, but names below it are: it exists (RFC 8020 2).
    case above
    case addresses([DNSAddress])
    /// Unknown: the file exceeds the read limit, or is not read yet.
    case unknown
  }

  /// Maximum octets read; any name may be in the rest of a longer file.
  static let maximumLength = 64 << 20
  /// Maximum names, including the names above them.
  static let maximumNames = 4 << 20
  /// Maximum addresses of one name.
  static let maximumAddresses = 256

  private struct Name {
    var hash: UInt64
    /// Index of its address; `above`: a name that only has names below it.
    var address: UInt32
  }

  private struct Reverse {
    var hash: UInt64
    /// Offset of the name in `texts`.
    var name: UInt32
    var address: UInt32
  }

  private static let above = UInt32.max

  /// Sorted by hash and index; each pair once.
  private var names: [Name] = []
  private var addresses: [DNSAddress] = []
  /// Sorted by hash.
  private var reverse: [Reverse] = []
  /// Names in wire form.
  private var texts: [UInt8] = []
  private var isWhole = true

  /// A file that is not read yet.
  static let unread: HostsFile = {
    var file = HostsFile(parsing: [])
    file.isWhole = false
    return file
  }()

  package init(parsing text: [UInt8]) {
    isWhole = text.count < Self.maximumLength
    var indices: [DNSAddress: UInt32] = [:]
    var parser = HostsLines(text)
    while let address = parser.nextLine() {
      let index: UInt32
      if let known = indices[address] {
        index = known
      } else {
        index = UInt32(addresses.count)
        indices[address] = index
        addresses.append(address)
      }
      var isFirst = indices.count > reverse.count
      while let name = parser.nextName() {
        guard names.count < Self.maximumNames else {
          isWhole = false
          break
        }
        if isFirst {
          reverse.append(
            Reverse(hash: Self.hash(address), name: UInt32(texts.count), address: index))
          texts += name.wire
          isFirst = false
        }
        add(name.folded, index)
      }
      if isFirst {
        // No usable name: the address is added when it occurs again.
        indices[address] = nil
        addresses.removeLast()
      }
    }
    names.sort { $0.hash != $1.hash ? $0.hash < $1.hash : $0.address < $1.address }
    reverse.sort { $0.hash < $1.hash }
    removeDuplicates()
  }

  /// - Parameter wire: in lower case.
  private mutating func add(_ wire: [UInt8], _ index: UInt32) {
    names.append(Name(hash: Self.hash(wire, from: 0), address: index))
    var offset = 1 + Int(wire[0])
    while wire[offset] != 0 {
      names.append(Name(hash: Self.hash(wire, from: offset), address: Self.above))
      offset += 1 + Int(wire[offset])
    }
  }

  private mutating func removeDuplicates() {
    var kept = 0
    for index in names.indices {
      if kept > 0, names[kept - 1].hash == names[index].hash,
        names[kept - 1].address == names[index].address
      {
        continue
      }
      names[kept] = names[index]
      kept += 1
    }
    names.removeLast(names.count - kept)
  }

  private static func hash(_ wire: [UInt8], from offset: Int) -> UInt64 {
    byteHash(wire[offset...])
  }

  private static func hash(_ address: DNSAddress) -> UInt64 {
    UInt64(bitPattern: Int64(address.hashValue))
  }

  // MARK: Looking up

  package func find(_ name: DNSName) -> Finding {
    var folded: [UInt8] = []
    name.appendFolded(to: &folded)
    let hash = Self.hash(folded, from: 0)
    var index = Self.lowerBound(names.count) { names[$0].hash < hash }
    guard index < names.count, names[index].hash == hash else {
      return isWhole ? .missing : .unknown
    }
    var found: [DNSAddress] = []
    while index < names.count, names[index].hash == hash, names[index].address != Self.above,
      found.count < Self.maximumAddresses
    {
      found.append(addresses[Int(names[index].address)])
      index += 1
    }
    if !found.isEmpty { return .addresses(found) }
    return isWhole ? .above : .unknown
  }

  /// The first name of the first line with the address, as gethostbyaddr(3) tells it.
  package func name(of address: DNSAddress) -> DNSName? {
    let hash = Self.hash(address)
    var index = Self.lowerBound(reverse.count) { reverse[$0].hash < hash }
    while index < reverse.count, reverse[index].hash == hash {
      if addresses[Int(reverse[index].address)] == address {
        var offset = Int(reverse[index].name)
        return try? DNSName.read(texts, at: &offset)
      }
      index += 1
    }
    return nil
  }

  private static func lowerBound(_ count: Int, _ isBefore: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = low + (high - low) / 2
      if isBefore(middle) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
