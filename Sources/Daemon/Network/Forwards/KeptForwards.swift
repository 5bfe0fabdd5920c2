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
  private var kept: [String: [Forward]] = [:]
  private var bytes = 0
  /// Why the file is not as it should be; nil: it is.
  private(set) var trouble: String?

  /// Of the file.
  private static let limit = 16 << 20
  private static let maximum = 65_536

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
  func forwards(of network: String) -> [Forward] { kept[network] ?? [] }

  /// Reads the file, and writes it anew. What is no forward is left out.
  func load() {
    guard Files.exists(path) else { return }
    let text: [UInt8]
    do throws(SystemError) {
      text = try Files.read(path, limit: 2 * Self.limit)
    } catch {
      return complain("\(error): forwards of before are not opened again")
    }
    var left = Self.maximum
    var isWhole = true
    for bytes in text.split(separator: 0x0a) where left > 0 {
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
        insert(forward.canonical, line.network)
        left -= 1
      } else if let forward = line.remove {
        drop(forward, line.network)
      }
    }
    if !isWhole { complain("\(path) has lines that make no sense: they are left out") }
    rewrite()
  }

  func add(_ forward: Forward, to network: String) {
    insert(forward, network)
    append(Line(network: network, add: forward))
  }

  /// Idempotent.
  func remove(_ forward: Forward, from network: String) {
    guard drop(forward, network) else { return }
    append(
      Line(
        network: network,
        remove: Forward(protocol: forward.protocol, host: forward.host, guest: nil)))
  }

  private func insert(_ forward: Forward, _ network: String) {
    drop(forward, network)
    kept[network, default: []].append(forward)
  }

  @discardableResult
  private func drop(_ forward: Forward, _ network: String) -> Bool {
    guard let index = kept[network]?.firstIndex(where: { $0.isSame(as: forward) }) else {
      return false
    }
    kept[network]?.remove(at: index)
    if kept[network]?.isEmpty == true { kept[network] = nil }
    return true
  }

  // MARK: The file

  private func append(_ line: Line) {
    guard !kept.isEmpty, bytes < Self.limit else { return rewrite() }
    attempt { () throws(SystemError) in
      guard let text = Self.text(line) else { return }
      let fd = try Files.openForAppending(path, mode: 0o600)
      defer { Descriptor.close(fd) }
      try Files.writeAll(fd, text)
      bytes += text.count
    }
  }

  private func rewrite() {
    let lines = kept.sorted { $0.key < $1.key }.flatMap { network, forwards in
      forwards.compactMap { Self.text(Line(network: network, add: $0)) }
    }
    bytes = lines.reduce(0) { $0 + $1.count }
    guard !lines.isEmpty else { return Files.remove(path) }
    attempt { () throws(SystemError) in
      try Files.write(Array(lines.joined()), to: path, mode: 0o600)
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
