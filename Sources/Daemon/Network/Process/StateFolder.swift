// SPDX-License-Identifier: Apache-2.0
//
// StateFolder: where a network's process keeps its state: the network's folder. A process of another user has a folder of
// its own below it, `state`, since who owns a folder could put other files in the place of the sockets there. The way to it
// leads through folders that are the daemon's alone, so the process is given its descriptor, and a path by that. What the
// network's folder had of state is copied when `state` is made; once it is there it stays the network's state folder, and
// belongs to whoever the process runs as.

import Platform

struct StateFolder {
  /// Of the network.
  let folder: String
  let network: String

  /// What the folder is in a process that has it by descriptor.
  static let descriptor: Int32 = 5
  private static let longest = 4 << 20

  var own: String { folder + "/state" }

  /// What the process is told.
  func path(for user: ProcessUser?) -> String {
    if user != nil { return "/proc/self/fd/\(Self.descriptor)" }
    return Files.exists(own) ? own : folder
  }

  /// Makes it, and gives it to whoever the process will be.
  /// - Parameter isOwn: a folder of its own is needed, whoever that is.
  /// - Returns: its descriptor, the caller's to close; nil: the process goes there by its path.
  func prepare(for user: ProcessUser?, isOwn: Bool = false) throws(SystemError) -> Int32? {
    let isThere = Files.exists(own)
    guard user != nil || isThere || isOwn else { return nil }
    try Files.makeDirectory(own, mode: 0o700)
    if !isThere { copyState() }
    let fd = try OwnedFolder.give(own, to: user)
    guard user != nil else {
      Descriptor.close(fd)
      return nil
    }
    return fd
  }

  /// Plugins' files: all but what the daemon and Lima keep there.
  private func copyState() {
    for entry in (try? Files.list(folder)) ?? [] {
      let isOurs = ["\(network).", "\(network)_", "usernet"].contains { entry.hasPrefix($0) }
      guard !isOurs, let info = try? Files.info("\(folder)/\(entry)", followLinks: false),
        info.kind == .file, info.size <= Self.longest,
        let bytes = try? Files.read("\(folder)/\(entry)", limit: Self.longest, followLinks: false)
      else { continue }
      try? Files.write(bytes, to: "\(own)/\(entry)", mode: 0o600)
    }
  }
}
