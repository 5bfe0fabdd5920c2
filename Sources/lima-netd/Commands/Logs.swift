// SPDX-License-Identifier: Apache-2.0
//
// logs: the logs of the daemon and of networks' processes, ordered by time. Reads the files, also without a daemon.

import LibC
import ArgumentParser
import Daemon
import Platform

struct Logs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the log of the daemon, or of a network.",
    discussion: """
      A network's log is what its process and its plugins wrote, and what the daemon did about it. The files are \
      _networks/lima-netd.log and _networks/NAME/NAME.log in the Lima home; no daemon has to run.

        lima-netd logs
        lima-netd logs -f default
        lima-netd logs -n 20 user-v2
        lima-netd logs --json | jq -r '.[] | select(.level == "WARN") | .text'

      With -f, --json prints one object a line, as --json=lines does.
      """)

  @Argument(help: "Only what is about this network.", completion: .networks)
  var network: String?

  @Flag(name: .shortAndLong, help: "Go on, and show what is written from now on.")
  var follow = false

  @Option(
    name: [.customShort("n"), .long],
    help: ArgumentHelp("How many lines, the last ones.", valueName: "count"))
  var lines = 200

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    guard lines >= 0 else { throw ValidationError("-n takes 0 or more lines.") }
  }

  func run() throws {
    let home = try home.resolveServed()
    var files = [LogFile(path: home.daemonLog, filter: network.map(Self.isAbout))]
    if let network {
      files.append(LogFile(path: home.networkLog(network), filter: nil))
      try check(network, home)
    }
    for file in files { try file.check(home) }
    let entries = files.map { $0.entries() }
    let shown = LogEntry.merged(entries).suffix(lines)
    if entries.allSatisfy(\.isEmpty) {
      // A daemon could not have written its log either.
      if let problem = Self.problem(home) { throw CommandFailure(problem) }
      if !follow { StandardError.print("Nothing is logged yet.") }
    }
    guard follow else {
      guard !listing.json else { return try listing.show(shown.map(\.record)) }
      for entry in shown { StandardOutput.print(entry.text) }
      return
    }
    for entry in shown { try show(entry) }
    while !StandardOutput.readerHasGone {
      try StandardOutput.check()
      for index in files.indices {
        for entry in files[index].newEntries() { try show(entry) }
      }
      usleep(200_000)
    }
  }

  /// Prints an entry while following: without an end there is no JSON document.
  private func show(_ entry: LogEntry) throws {
    StandardOutput.print(listing.json ? try JSONText.string(entry.record) : entry.text)
  }

  /// Why no daemon of this user could serve the home, with the remedy; nil if no reason is known.
  static func problem(_ home: LimaHome) -> String? {
    HomeTrust(user: ForeignHome.owner(of: home) ?? CurrentProcess.effectiveUser).problem(home: home)
  }

  /// Checks that the network exists, or has existed.
  private func check(_ network: String, _ home: LimaHome) throws {
    guard !Files.exists(home.networkLog(network)) else { return }
    let configuration = try? Configuration.load(home.configFile, mayBeMissing: true)
    let names = (configuration?.networks ?? NetworkConfiguration.builtins).map(\.name)
    guard !names.contains(network) else { return }
    let hint =
      Identifier.nearest(to: network, among: names).map { "did you mean `\($0)`?" }
      ?? Plural.there(names)
    throw CommandFailure("There is no network `\(network)`: \(hint)")
  }

  private static func isAbout(_ network: String) -> @Sendable (Substring) -> Bool {
    { line in line.contains(" network \(network): ") }
  }
}

/// A line with a time, and the indented lines that belong to it.
struct LogEntry: Hashable {
  var time: Substring
  var text: String

  /// An entry for --json.
  struct Record: Encodable, Hashable {
    /// ISO 8601 in UTC; nil: a line without a time, such as a plugin's own output.
    var time: String?
    /// "INFO", "WARN" ...
    var level: String?
    /// Includes the lines that belong to it.
    var text: String
  }

  /// Parsed from "TIME LEVEL  TEXT", the format of the daemon and of networks' processes.
  var record: Record {
    func isLevel(_ word: Substring) -> Bool {
      !word.isEmpty && word.allSatisfy { $0.isASCII && $0.isUppercase }
    }
    guard time.first?.isNumber == true, time.hasSuffix("Z") else {
      return Record(time: nil, level: nil, text: text)
    }
    let rest = text.dropFirst(time.count).drop { $0 == " " }
    let level = rest.prefix { $0 != " " }
    guard isLevel(level) else { return Record(time: String(time), level: nil, text: String(rest)) }
    return Record(
      time: String(time), level: String(level),
      text: String(rest.dropFirst(level.count).drop { $0 == " " }))
  }

  static func parse(_ text: String, filter: ((Substring) -> Bool)?) -> [LogEntry] {
    var entries: [LogEntry] = []
    var isWanted = false
    for line in text.split(separator: "\n") {
      let begins = line.first.map { !$0.isWhitespace } ?? false
      if begins {
        isWanted = filter?(line) ?? true
        if isWanted {
          entries.append(
            LogEntry(time: line.prefix { $0 != " " }, text: Paragraph.printable(String(line))))
        }
      } else if isWanted, !entries.isEmpty {
        entries[entries.count - 1].text += "\n" + Paragraph.printable(String(line))
      }
    }
    return entries
  }

  /// Ordered by time; at the same time in the order of the lists. A line without a time (a plugin's output) stays after the
  /// one before it.
  static func merged(_ lists: [[LogEntry]]) -> [LogEntry] {
    var all: [(time: Substring, index: Int, entry: LogEntry)] = []
    for list in lists {
      var last: Substring = ""
      for entry in list {
        if entry.time.first?.isNumber == true, entry.time.hasSuffix("Z") { last = entry.time }
        all.append((last, all.count, entry))
      }
    }
    return all.sorted { ($0.time, $0.index) < ($1.time, $1.index) }.map(\.entry)
  }
}

/// A log file, which grows and is rotated.
struct LogFile {
  private let path: String
  private let filter: (@Sendable (Substring) -> Bool)?
  /// The open file, -1: none yet.
  private var descriptor: Int32 = -1
  private var inode: UInt64 = 0
  /// An incomplete last line.
  private var rest: [UInt8] = []

  /// Maximum bytes read from its end at first.
  private static let window = 4 << 20

  init(path: String, filter: (@Sendable (Substring) -> Bool)?) {
    self.path = path
    self.filter = filter
    guard let fd = try? Files.openForReading(path) else { return }
    descriptor = fd
    inode = (try? Files.info(path).inode) ?? 0
    lseek(fd, 0, SEEK_END)
  }

  /// A missing file is no error, unlike one that may not be read.
  func check(_ home: LimaHome) throws {
    do throws(SystemError) {
      Descriptor.close(try Files.openForReading(path))
    } catch {
      guard error.errno != .noSuchFile else { return }
      throw CommandFailure(
        "\(path) cannot be read: \(error.reason)",
        remedy: Logs.problem(home) ?? FileTrouble(error)?.remedy
          ?? "See whose it is:  ls -l \(ShellWord.quoted(path))")
    }
  }

  /// All present entries.
  func entries() -> [LogEntry] {
    guard let bytes = try? Files.tail(path, limit: Self.window) else { return [] }
    return LogEntry.parse(String(decoding: bytes, as: UTF8.self), filter: filter)
  }

  /// The entries written since the last call.
  mutating func newEntries() -> [LogEntry] {
    var text = readOn()
    if let now = try? Files.info(path).inode, now != inode, let fd = try? Files.openForReading(path)
    {
      if descriptor >= 0 { Descriptor.close(descriptor) }
      (descriptor, inode) = (fd, now)
      text += readOn()
    }
    return LogEntry.parse(String(decoding: text, as: UTF8.self), filter: filter)
  }

  /// The complete lines.
  private mutating func readOn() -> [UInt8] {
    guard descriptor >= 0 else { return [] }
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    var bytes = rest
    while bytes.count < Self.window {
      let count = Files.readSome(descriptor, &chunk)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    guard let end = bytes.lastIndex(of: 0x0a) else {
      rest = bytes
      return []
    }
    rest = Array(bytes[(end + 1)...])
    return Array(bytes[...end])
  }
}
