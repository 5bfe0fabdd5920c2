// SPDX-License-Identifier: Apache-2.0
//
// DirectoryWatch: inotify(7) on directories: which of their entries were added, removed, or written and closed.
// Entries are reported by name; nothing is opened or followed. Loop thread.

#if os(Linux)
  import LibC

  package final class DirectoryWatch {
    package struct Change: OptionSet, Sendable {
      package let rawValue: UInt32
      package init(rawValue: UInt32) { self.rawValue = rawValue }

      /// A file that was open for writing was closed.
      package static let written = Change(rawValue: UInt32(IN_CLOSE_WRITE))
      package static let created = Change(rawValue: UInt32(IN_CREATE))
      package static let arrived = Change(rawValue: UInt32(IN_MOVED_TO))
      package static let left = Change(rawValue: UInt32(IN_MOVED_FROM) | UInt32(IN_DELETE))
      /// The directory itself was removed, moved or unmounted: its watch ended or its path changed.
      package static let directoryGone = Change(
        rawValue: UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_IGNORED)
          | UInt32(IN_UNMOUNT))
      /// Events were lost: anything may have changed.
      package static let overflow = Change(rawValue: UInt32(IN_Q_OVERFLOW))
    }

    package struct Event: Equatable, Sendable {
      /// As `add` returned it; -1 with `overflow`.
      package var watch: Int32
      package var changes: Change
      /// Of the entry; empty when the event is about the directory.
      package var name: String
    }

    /// Readable when there are events.
    package let fd: Int32

    package init() throws(SystemError) {
      fd = try check("inotify_init1", inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK)))
    }

    deinit { Descriptor.close(fd) }

    /// Watches a directory, the links in its path followed. Adding one that is watched returns its watch.
    package func add(_ directory: String) throws(SystemError) -> Int32 {
      let mask =
        UInt32(IN_CLOSE_WRITE) | UInt32(IN_CREATE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM)
        | UInt32(IN_DELETE) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF) | UInt32(IN_ONLYDIR)
      let watch = inotify_add_watch(fd, directory, mask)
      guard watch >= 0 else {
        throw SystemError("inotify_add_watch", .current, subject: directory)
      }
      return watch
    }

    /// Idempotent.
    package func remove(_ watch: Int32) { _ = inotify_rm_watch(fd, watch) }

    /// The waiting events, at most `limit` bytes of them; the rest keeps `fd` readable.
    package func events(limit: Int = 16384) -> [Event] {
      var buffer = [UInt8](repeating: 0, count: limit)
      let count = Files.readSome(fd, &buffer)
      guard count > 0 else { return [] }
      return Self.parse(buffer[..<count])
    }

    /// inotify_event: watch, mask, cookie, length of the name (4 octets each, native order), the name padded with
    /// zeros. A truncated event ends the list.
    package static func parse(_ bytes: ArraySlice<UInt8>) -> [Event] {
      var events: [Event] = []
      var rest = bytes
      while rest.count >= 16 {
        let fields = rest.withUnsafeBytes { raw in
          (
            watch: raw.loadUnaligned(fromByteOffset: 0, as: Int32.self),
            mask: raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
            length: Int(raw.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
          )
        }
        rest = rest.dropFirst(16)
        guard rest.count >= fields.length else { break }
        let name = rest.prefix(fields.length).prefix { $0 != 0 }
        events.append(
          Event(
            watch: fields.watch, changes: Change(rawValue: fields.mask),
            name: String(decoding: name, as: UTF8.self)))
        rest = rest.dropFirst(fields.length)
      }
      return events
    }
  }
#endif
