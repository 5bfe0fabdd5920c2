// SPDX-License-Identifier: Apache-2.0
//
// ELFSymbols: the exported symbols of an ELF file, and requirements in its program headers. ELFCheck has validated the
// program headers; all other offsets are checked here.

import HostProtocol
import Platform

struct ELFSymbols {
  /// Names of functions and data that other files could link to.
  private(set) var exported: [String] = []
  private(set) var needsExecutableStack = false
  private(set) var hasTextRelocations = false

  private let bytes: [UInt8]
  /// Larger files are not examined.
  private static let maximum = 256 << 20

  init(path: String) throws(SystemError) {
    bytes = try Files.read(path, limit: Self.maximum)
    readProgramHeaders()
    readSymbols()
  }

  private func number(_ offset: Int, _ count: Int) -> Int? {
    guard offset >= 0, offset <= bytes.count - count else { return nil }
    var value: UInt64 = 0
    for at in (0..<count).reversed() { value = value << 8 | UInt64(bytes[offset + at]) }
    return Int(exactly: value)
  }

  /// PT_GNU_STACK (0x6474e551) with PF_X; PT_DYNAMIC (2) with DT_TEXTREL (22) or DF_TEXTREL (4) in DT_FLAGS (30).
  private mutating func readProgramHeaders() {
    guard let table = number(32, 8), let entry = number(54, 2), let count = number(56, 2) else {
      return
    }
    for index in 0..<count {
      let (base, overflow) = table.addingReportingOverflow(index * entry)
      guard !overflow, let type = number(base, 4), let flags = number(base + 4, 4) else { return }
      if type == 0x6474_e551, flags & 1 != 0 { needsExecutableStack = true }
      guard type == 2, let at = number(base + 8, 8), let size = number(base + 32, 8),
        at <= bytes.count, size <= bytes.count - at
      else { continue }
      for entry in stride(from: at, to: at + size - 15, by: 16) {
        guard let tag = number(entry, 8), tag != 0 else { break }
        if tag == 22 || (tag == 30 && (number(entry + 8, 8) ?? 0) & 4 != 0) {
          hasTextRelocations = true
        }
      }
    }
  }

  /// Reads the section of type SHT_DYNSYM (11) and its string table.
  private mutating func readSymbols() {
    guard let table = number(40, 8), let entry = number(58, 2), let count = number(60, 2),
      entry >= 64, table <= bytes.count
    else { return }
    func section(_ index: Int) -> (type: Int, offset: Int, size: Int, link: Int)? {
      let base = table + index * entry
      guard index < count, let type = number(base + 4, 4), let offset = number(base + 24, 8),
        let size = number(base + 32, 8), let link = number(base + 40, 4),
        offset <= bytes.count, size <= bytes.count - offset
      else { return nil }
      return (type, offset, size, link)
    }
    var symbols = (type: 0, offset: 0, size: 0, link: 0)
    for index in 0..<count where symbols.type != 11 { symbols = section(index) ?? symbols }
    guard symbols.type == 11, let names = section(symbols.link) else { return }
    for at in stride(from: symbols.offset, to: symbols.offset + symbols.size - 23, by: 24) {
      // st_name 0, st_info 4, st_other 5, st_shndx 6; global or weak, defined, default or protected.
      guard let name = number(at, 4), let section = number(at + 6, 2), section != 0 else {
        continue
      }
      let (binding, visibility) = (bytes[at + 4] >> 4, bytes[at + 5] & 3)
      guard binding == 1 || binding == 2 || binding == 10, visibility == 0 || visibility == 3,
        name < names.size
      else { continue }
      let start = names.offset + name
      exported.append(
        String(decoding: bytes[start..<names.offset + names.size].prefix { $0 != 0 }, as: UTF8.self)
      )
    }
  }
}
