// SPDX-License-Identifier: Apache-2.0
//
// ConfigWatcher: reports changes of networks.yaml: written, replaced, removed or created.
//
// It watches the directory of the file, and that of the target if it is a link; for a missing directory, the nearest
// existing one above it. Events only show that something happened; whether the file has changed is decided by its stamp
// (`FileStamp`) after `delay`, so that the steps of one change (truncate and write, rename and create) are reported once. A
// file that is being written is read after its writer has closed it.
//
// Without inotify (macOS) the stamp is checked every two seconds. Invariant: `changed` is called once for each new stamp,
// and never for one passed to `note`. Loop thread.

import Platform

final class ConfigWatcher {
  /// Nanoseconds between the first event of a change and the check of the file.
  static let delay: UInt64 = 100_000_000
  static let interval: UInt64 = 2_000_000_000

  private let path: String
  private let loop: EventLoop
  private let changed: () -> Void
  private var stamp: FileStamp
  private var timer: EventLoop.TimerID?
  private var isClosed = false

  #if os(Linux)
    private let watch: DirectoryWatch
    /// Names whose events are relevant, by watch; nil: all names (a directory above a missing one).
    private var names: [Int32: Set<String>?] = [:]
  #endif

  /// - Parameters:
  ///   - path: absolute; the file may be missing.
  ///   - stamp: of the file that was read last: a change since then is reported, too.
  /// - Throws: SystemError if the kernel has no inotify instance left.
  init(path: String, stamp: FileStamp, loop: EventLoop, changed: @escaping () -> Void) throws {
    self.path = path
    self.stamp = stamp
    self.loop = loop
    self.changed = changed
    #if os(Linux)
      watch = try DirectoryWatch()
      try loop.add(watch.fd, .read) { [weak self] _ in self?.receive() }
    #endif
    arm()
    #if os(Linux)
      guard FileStamp(of: path) != stamp else { return }
    #endif
    lookSoon()
  }

  /// The file was read by other means: only later changes are reported.
  func note(_ stamp: FileStamp) { self.stamp = stamp }

  /// Idempotent.
  func close() {
    guard !isClosed else { return }
    isClosed = true
    if let timer { loop.cancel(timer) }
    #if os(Linux)
      loop.remove(watch.fd)
    #endif
  }

  private func lookSoon() {
    guard timer == nil, !isClosed else { return }
    #if os(Linux)
      let wait = Self.delay
    #else
      let wait = Self.interval
    #endif
    timer = loop.schedule(after: wait) { [weak self] in self?.look() }
  }

  private func look() {
    timer = nil
    // Directories may have been created or removed, and links changed.
    arm()
    let current = FileStamp(of: path)
    if current != stamp {
      stamp = current
      changed()
    }
    #if !os(Linux)
      lookSoon()
    #endif
  }

  #if os(Linux)
    private func receive() {
      for event in watch.events() where concerns(event) { lookSoon() }
    }

    private func concerns(_ event: DirectoryWatch.Event) -> Bool {
      if !event.changes.isDisjoint(with: [.directoryGone, .overflow]) { return true }
      guard let wanted = names[event.watch] else { return false }
      guard let wanted else { return true }
      guard wanted.contains(event.name) else { return false }
      // A new file is checked when its writer closes it; links and other nodes have no writer.
      guard event.changes == .created else { return true }
      return (try? Files.info(path, followLinks: false))?.kind != .file
    }

    private func arm() {
      var wanted: [Int32: Set<String>?] = [:]
      for file in Set([path, (try? Files.realPath(path)) ?? path]) {
        guard let (found, name) = nearestDirectory(of: file) else { continue }
        if let name {
          wanted[found, default: []]?.insert(name)
        } else {
          wanted[found] = .some(nil)
        }
      }
      for old in names.keys where wanted[old] == nil { watch.remove(old) }
      names = wanted
    }

    /// The watch of the file's directory, and the file's name; or the watch of the nearest existing directory above,
    /// without a name.
    private func nearestDirectory(of file: String) -> (Int32, String?)? {
      var (directory, name) = Self.split(file)
      if let found = try? watch.add(directory) { return (found, name) }
      while directory != "/" {
        (directory, name) = Self.split(directory)
        if let found = try? watch.add(directory) { return (found, nil) }
      }
      return nil
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
      guard let slash = path.lastIndex(of: "/") else { return ("/", path) }
      let directory = path[..<slash]
      return (
        directory.isEmpty ? "/" : String(directory), String(path[path.index(after: slash)...])
      )
    }
  #else
    private func arm() {}
  #endif
}
