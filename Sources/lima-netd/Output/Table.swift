// SPDX-License-Identifier: Apache-2.0
//
// Table: columns for people. The last column is not padded; an empty cell is a dash; control characters of guests' names
// and the like are made harmless. On a terminal that is too narrow the widest columns have cells of several lines.

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

  /// As wide as standard output shows. Without a line's end at its end.
  var text: String { text(within: Terminal.columns) }

  /// - Parameter columns: characters of a line; nil: any number.
  func text(within columns: Int?) -> String {
    let lines = [titles] + rows
    let natural = titles.indices.map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    let widths = columns.map { fitted(natural, within: $0) } ?? natural
    return lines.flatMap { line -> [String] in
      let cells = line.enumerated().map { Self.pieces($1, width: widths[$0]) }
      let height = cells.map(\.count).max() ?? 0
      return (0..<height).map { row in
        let last = cells.lastIndex { row < $0.count } ?? 0
        return cells[...last].enumerated().map { column, pieces in
          let piece = row < pieces.count ? pieces[row] : ""
          return column == last
            ? piece : piece + String(repeating: " ", count: widths[column] - piece.count)
        }.joined(separator: Self.gap)
      }
    }.joined(separator: "\n")
  }

  private static let gap = "  "
  /// Characters below which no column is made narrower.
  private static let least = 8

  /// The widest column gives first; none is narrower than its title.
  private func fitted(_ natural: [Int], within columns: Int) -> [Int] {
    var widths = natural
    var excess = widths.reduce(0, +) + Self.gap.count * (widths.count - 1) - columns
    while excess > 0 {
      let giving = widths.indices.filter { widths[$0] > max(Self.least, titles[$0].count) }
      guard let widest = giving.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] -= 1
      excess -= 1
    }
    return widths
  }

  /// Broken at spaces, else behind what separates parts of a path, a list or an address, else anywhere.
  private static func pieces(_ cell: String, width: Int) -> [String] {
    var pieces: [String] = []
    var rest = Substring(cell)
    while rest.count > width {
      let head = rest.prefix(width)
      if rest[head.endIndex] == " " {
        pieces.append(String(head))
        rest = rest[head.endIndex...].drop { $0 == " " }
      } else if let space = head.lastIndex(of: " ") {
        pieces.append(String(head[..<space]))
        rest = rest[rest.index(after: space)...]
      } else {
        let half = head.index(head.startIndex, offsetBy: width / 2)
        let end =
          head[half...].lastIndex { "/,.-:_".contains($0) }.map(head.index(after:)) ?? head.endIndex
        pieces.append(String(rest[..<end]))
        rest = rest[end...]
      }
    }
    return pieces + [String(rest)]
  }
}
