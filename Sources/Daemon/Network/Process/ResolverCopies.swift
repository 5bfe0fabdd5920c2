// SPDX-License-Identifier: Apache-2.0
//
// ResolverCopies: the files by which the host finds names, copied into a folder for a process that has no others, and
// copied again within a second when they are others. Looked at, not watched: one that is mounted over (containers) tells
// inotify nothing. Loop thread.

import Platform

final class ResolverCopies {
  static let paths = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]
  /// More than the readers of these files take.
  private static let longest = 4 << 20
  private static let interval: UInt64 = 1_000_000_000

  private let folder: String
  private let loop: EventLoop
  private var stamps: [String: FileStamp] = [:]
  private var timer: EventLoop.TimerID?

  init(in folder: String, loop: EventLoop) {
    self.folder = folder
    self.loop = loop
    look()
  }

  deinit { if let timer { loop.cancel(timer) } }

  private func look() {
    for path in Self.paths {
      let stamp = FileStamp(of: path)
      guard stamps[path] != stamp else { continue }
      stamps[path] = stamp
      copy(path)
    }
    timer = loop.schedule(after: Self.interval) { [weak self] in self?.look() }
  }

  /// A file that is not there, or cannot be read, is none in the copy.
  private func copy(_ path: String) {
    let copied = folder + path.dropFirst("/etc".count)
    guard let bytes = try? Files.read(path, limit: Self.longest) else {
      return Files.remove(copied)
    }
    try? Files.write(bytes, to: copied, mode: 0o644)
  }
}
