// SPDX-License-Identifier: Apache-2.0
//
// KeptForwards: the forwards of `forward add`, of all networks, which outlive the daemon. A file has a line for each that was
// added or removed, in order; it is written anew, with those that there are, when the daemon starts, and when it has grown
// far beyond them. Beside the networks' folders, not in them: a network's process may write into its own.
// Loop thread.

import HostProtocol
import Platform

final class KeptForwards {
  private let path: String
  private let complain: (String) -> Void
  private var kept: [String: [Entry]] = [:]
  /// Size of the file, and its size when it was last written anew, octets.
  private var bytes = 0
  private var bytesWhenNew = 0
  /// The file may end within a line: it is written anew before anything follows.
  private var isTorn = false
  /// Why the file is not as it should be; nil: it is.
  private(set) var trouble: String?

  /// Of the file, octets.
  private static let limit = 64 << 20
  /// Forwards of a network: as many as a network can have (ForwardEngine.maximumForwards).
  static let maximum = 4096
  /// What the file may grow by before its size is compared with that of what is kept, octets.
  private static let slack = 64 << 10

  private struct Entry {
    let forward: Forward
    /// Its line of the file.
    let text: [UInt8]
  }

  /// A line of the file.
  private struct Line: Codable {
    var network: String
    var add: Forward?
    /// `protocol` and `host` of one that is gone.
    var remove: Forward?
  }

  init(path: String, complain: @escaping (String) -> Void) {
    self.path = path
    self.complain = complain
  }

  /// In the order in which they were added.
  func forwards(of network: String) -> [Forward] { (kept[network] ?? []).map(\.forward) }

  /// Reads the file, and writes it anew. What is no forward is left out. A file that cannot be read is put aside.
  func load() {
    guard Files.exists(path) else { return }
    let text: [UInt8]
    do throws(SystemError) {
      text = try Files.read(path, limit: Self.limit)
    } catch {
      return putAside(error)
    }
    var isWhole = true
    var isCut = false
    for bytes in text.split(separator: 0x0a) {
      guard let line = try? JSONText.decode(Line.self, from: Array(bytes)),
        Identifier.isValid(line.network)
      else {
        isWhole = false
        continue
      }
      if let forward = line.add {
        guard (try? forward.spec(needsGuest: true)) != nil else {
          isWhole = false
          continue
        }
        if insert(forward.canonical, line.network) == nil { isCut = true }
      } else if let forward = line.remove {
        drop(forward, line.network)
      }
    }
    if !isWhole { complain("\(path) has lines that make no sense: they are left out") }
    if isCut {
      complain("\(path) has more than \(Self.maximum) forwards of a network: the rest is left out")
    }
    rewrite()
  }

  private func putAside(_ reason: SystemError) {
    let aside = path + ".unread"
    let outcome: String
    do throws(SystemError) {
      try Files.rename(path, to: aside)
      outcome = "the file is \(aside) now"
    } catch {
      outcome = "\(error)"
    }
    complain("\(reason): forwards of before are not opened again; \(outcome)")
  }

  func add(_ forward: Forward, to network: String) {
    if let text = insert(forward, network) { append(text) }
  }

  /// Idempotent.
  func remove(_ forward: Forward, from network: String) {
    guard drop(forward, network),
      let text = Self.text(
        Line(
          network: network,
          remove: Forward(protocol: forward.protocol, host: forward.host, guest: nil)))
    else { return }
    append(text)
  }

  /// - Returns: its line; nil: the network has as many as it can have, and this one is not kept.
  private func insert(_ forward: Forward, _ network: String) -> [UInt8]? {
    drop(forward, network)
    guard kept[network, default: []].count < Self.maximum,
      let text = Self.text(Line(network: network, add: forward))
    else { return nil }
    kept[network, default: []].append(Entry(forward: forward, text: text))
    return text
  }

  @discardableResult
  private func drop(_ forward: Forward, _ network: String) -> Bool {
    guard let index = kept[network]?.firstIndex(where: { $0.forward.isSame(as: forward) }) else {
      return false
    }
    kept[network]?.remove(at: index)
    if kept[network]?.isEmpty == true { kept[network] = nil }
    return true
  }

  // MARK: The file

  private func append(_ text: [UInt8]) {
    guard !kept.isEmpty, !isTorn, bytes < 2 * bytesWhenNew + Self.slack else { return rewrite() }
    attempt { () throws(SystemError) in
      // Until all of it is written: a full disk takes a part.
      isTorn = true
      let fd = try Files.openForAppending(path, mode: 0o600)
      defer { Descriptor.close(fd) }
      try Files.writeAll(fd, text)
      bytes += text.count
      isTorn = false
    }
  }

  private func rewrite() {
    let lines = Array(
      kept.sorted { $0.key < $1.key }.flatMap(\.value).map(\.text).joined())
    guard !lines.isEmpty else {
      (bytes, bytesWhenNew, isTorn) = (0, 0, false)
      return Files.remove(path)
    }
    attempt { () throws(SystemError) in
      isTorn = true
      try Files.write(lines, to: path, mode: 0o600)
      (bytes, bytesWhenNew, isTorn) = (lines.count, lines.count, false)
    }
  }

  private static func text(_ line: Line) -> [UInt8]? {
    (try? JSONText.encode(line)).map { $0 + [0x0a] }
  }

  /// Told once, until it works again.
  private func attempt(_ body: () throws(SystemError) -> Void) {
    do throws(SystemError) {
      try body()
      trouble = nil
    } catch {
      let text =
        "forwards will not be there after a restart: \(FileTrouble(error)?.message ?? "\(error)")"
      if trouble == nil { complain(text) }
      trouble = text
    }
  }
}
