// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Platform

/// What a hosts(5) says: the addresses of its names, the names above them, and the name of an
/// address. As programs of the host see it that ask for both families at once: the file decides on
/// all of a name, all lines with it count.
///
/// A value of flat arrays, so that even a large one is put away in no time. Names are kept as 64-bit
/// hashes whose seed nobody outside knows.
package struct HostsFile: Sendable {
  package enum Finding: Equatable, Sendable {
    case missing
    /// Not there, but names below it are: it exists (RFC 8020 2).
    case above
    case addresses([DNSAddress])
    /// The file is longer than what was read, or is not read yet.
    case unknown
  }

  /// Octets that are read; of a longer file every name may be in the rest.
  static let maximumLength = 64 << 20
  /// Names and names above them, in all.
  static let maximumNames = 4 << 20
  /// Addresses of one name.
  static let maximumAddresses = 256

  private struct Name {
    var hash: UInt64
    /// Where its address is; `above`: a name that has only names below it.
    var address: UInt32
  }

  private struct Reverse {
    var hash: UInt64
    /// Where the name begins in `texts`.
    var name: UInt32
    var address: UInt32
  }

  private static let above = UInt32.max

  /// Sorted by hash and place; each pair once.
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
        // No usable name: the address counts when it comes again.
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
