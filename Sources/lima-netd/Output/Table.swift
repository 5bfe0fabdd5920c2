// SPDX-License-Identifier: Apache-2.0
//
// Table: text in columns. The last column is not padded; an empty cell is a dash; control characters in names are replaced.

struct Table {
  private let titles: [String]
  private var rows: [[String]] = []

  init(_ titles: String...) { self.init(titles) }

  init(_ titles: [String]) {
    self.titles = titles
  }

  mutating func add(_ cells: String?...) { add(cells) }

  mutating func add(_ cells: [String?]) {
    rows.append(
      cells.map { cell in cell.flatMap { $0.isEmpty ? nil : Paragraph.printable($0) } ?? "-" })
  }

  var isEmpty: Bool { rows.isEmpty }

  /// Without a final line break.
  var text: String {
    let lines = [titles] + rows
    let widths = titles.indices.map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return lines.map { line in
      line.enumerated().map { column, cell in
        column == line.count - 1
          ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
