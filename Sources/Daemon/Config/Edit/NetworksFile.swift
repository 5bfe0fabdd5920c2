// SPDX-License-Identifier: Apache-2.0
//
// NetworksFile: edits networks.yaml on disk: reads it, changes it as text (`NetworksText`), validates it as the daemon
// does, and writes it atomically. If it is a link its target is written. In a home without the file Lima's default file is
// written first. Blocks on I/O; for commands.

import Platform

package enum NetworksFileError: Error, Sendable, CustomStringConvertible {
  case refused(NetworksEditError, file: String)
  /// The result would be refused.
  case invalid(ConfigError)
  case system(SystemError)

  package var description: String {
    switch self {
    case .refused(let error, let file): return Self.text(error, file)
    case .invalid(let error): return "\(error)"
    case .system(let error): return FileTrouble(error)?.description ?? "\(error)"
    }
  }

  private static func text(_ error: NetworksEditError, _ file: String) -> String {
    switch error {
    case .unreadable(let error):
      let place = error.mark.map { ":\($0.line):\($0.column)" } ?? ""
      return "\(file)\(place): \(ConfigProblem.sentence(error.problem))"
    case .exists(let name): return "network `\(name)` already exists"
    case .unknown(let name, let nearest):
      if NetworkConfiguration.builtins.contains(where: { $0.name == name }) {
        return
          "network `\(name)` is built in and does not stand in \(file): there is nothing to change or delete"
      }
      return "there is no network `\(name)` in \(file)"
        + (nearest.map { ": did you mean `\($0)`?" } ?? "")
    case .byHand(let key, let line):
      return "\(file):\(line): \(key) is written in a way that only an editor can change: "
        + "lima-netd network edit"
    }
  }
}

package struct NetworksFile {
  package let path: String
  package private(set) var text: NetworksText
  /// False: there is no file yet; the text is that of the default file.
  package let exists: Bool
  private let mode: UInt32

  package init(_ path: String, template: NetworksTemplate) throws(NetworksFileError) {
    do throws(SystemError) {
      exists = Files.exists(path)
      self.path = exists ? try Files.realPath(path) : path
      if exists {
        text = NetworksText(
          String(decoding: try Files.read(self.path, limit: YAMLLimits().bytes), as: UTF8.self))
        mode = try Files.info(self.path).mode
      } else {
        text = NetworksText(template.text)
        mode = 0o644
      }
    } catch {
      throw .system(error)
    }
  }

  /// Changes the text, not the file.
  package mutating func edit(
    _ body: (inout NetworksText) throws(NetworksEditError) -> Void
  ) throws(NetworksFileError) {
    do throws(NetworksEditError) { try body(&text) } catch { throw .refused(error, file: path) }
  }

  /// The network of this name in the default file, if there is no file yet; nil otherwise.
  package func defaultNetwork(_ name: String) throws(NetworksFileError) -> NetworkConfiguration? {
    guard !exists else { return nil }
    do throws(NetworksEditError) {
      guard try text.names().contains(name) else { return nil }
    } catch { throw .refused(error, file: path) }
    return try configuration().networks.first { $0.name == name }
  }

  /// The network of the default file, if there is no file yet, whose subnet overlaps that of a new network of another name.
  package func defaultNetwork(
    withSubnetOf gateway: String, otherThan name: String
  ) throws(NetworksFileError) -> NetworkConfiguration? {
    guard !exists, let (address, length) = try? NetworkDraft.parse(gateway) else { return nil }
    let subnet = IPv4Subnet(containing: address, prefixLength: length)
    return try configuration().networks.first {
      $0.name != name && $0.subnet?.overlaps(subnet) == true
    }
  }

  /// The configuration that the daemon would read from it.
  package func configuration() throws(NetworksFileError) -> Configuration {
    do throws(ConfigError) {
      return try ConfigDecoder.decode(
        Array(text.text.utf8), file: path,
        homeDirectory: CurrentProcess.environment["HOME"] ?? "/")
    } catch {
      throw .invalid(error)
    }
  }

  /// - Throws: also if the text is no valid configuration.
  package func write() throws(NetworksFileError) {
    _ = try configuration()
    do throws(SystemError) {
      if let slash = path.lastIndex(of: "/"), slash > path.startIndex {
        try Files.makeDirectory(String(path[..<slash]), mode: 0o755)
      }
      try Files.write(Array(text.text.utf8), to: path, mode: mode, followLinks: true)
    } catch {
      throw .system(error)
    }
  }
}
