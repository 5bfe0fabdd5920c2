// SPDX-License-Identifier: Apache-2.0
//
// The ABI's layout as released (SDK/abi/1.*/layout.inc). The C compiler asserts
// it while compiling Tests/CPluginAPITests/layout.c; here it is held against
// what Swift imports.

import CPluginAPITests
import PluginAPI
import Testing

@Suite(.timeLimit(.minutes(5))) struct LayoutTests {
  private let rows: [(type: String, field: String?, offset: Int, size: Int)] = {
    var rows: [(String, String?, Int, Int)] = []
    while true {
      let row = lnd_test_row_at(UInt32(rows.count))
      guard let type = row.type else { return rows }
      let field = row.field.map { String(cString: $0) }
      rows.append((String(cString: type), field, Int(row.offset), Int(row.size)))
    }
  }()

  @Test func swiftSeesEveryFieldWhereTheReleasedTableHasIt() {
    let released = rows.compactMap { row in
      row.field.map { FieldLayout(type: row.type, field: $0, offset: row.offset) }
    }
    #expect(released.count > 100)
    #expect(Set(fieldLayouts) == Set(released))
  }

  @Test func swiftSeesEveryStructWithItsReleasedSize() {
    // A struct that grew has a row in the table of each minor; the last one counts.
    var released: [String: Int] = [:]
    for row in rows where row.field == nil { released[row.type] = row.size }
    #expect(released == structSizes)
  }

  @Test func elementsOfArraysHaveTheirFrozenStride() {
    #expect(MemoryLayout<lnd_frame>.stride == 64)
    #expect(MemoryLayout<lnd_endpoint>.stride == 24)
    #expect(MemoryLayout<lnd_slice>.stride == 16)
    #expect(MemoryLayout<lnd_fd_event>.stride == 16)
  }
}
