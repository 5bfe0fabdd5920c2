// SPDX-License-Identifier: Apache-2.0
//
// ResolverFile: the guest's /etc/resolv.conf, mounted over the host's in the private mount namespace. The host's file is
// never modified. It may be a symbolic link into /run (systemd-resolved), also to a missing file. Resolvers of the host
// that programs would ask through a socket in /run are hidden.

import Daemon
import FoundationEssentials
import Platform

#if os(Linux)
  import LibC

  enum ResolverFile {
    static let path = "/etc/resolv.conf"
    /// Sockets through which nss-resolve and nscd ask the host's resolver.
    static let hidden = ["/run/systemd/resolve", "/run/nscd", "/var/run/nscd"]

    static func text(_ servers: [String], search: [String], network: String) -> String {
      let lines =
        ["# Made by lima-netd for a guest of network \(network)."]
        + self.lines(servers, search: search)
      return lines.joined(separator: "\n") + "\n"
    }

    /// Lines of resolv.conf(5).
    static func lines(_ servers: [String], search: [String]) -> [String] {
      servers.map { "nameserver \($0)" }
        + (search.isEmpty ? [] : ["search " + search.joined(separator: " ")])
    }

    /// Mounts `text` over the file.
    static func install(_ text: String) throws {
      let files = FileManager.default
      var ours: Set<String> = []
      for directory in hidden where files.fileExists(atPath: directory) {
        guard target(of: directory) == directory else { continue }
        try Mounts.temporary(on: directory)
        ours.insert(directory)
      }
      let target = target(of: path)
      guard files.fileExists(atPath: target) else {
        let directory = nearestDirectory(of: target)
        if !ours.contains(directory) { try copyUp(directory) }
        try files.createDirectory(
          atPath: parent(of: target), withIntermediateDirectories: true)
        try create(target, text)
        return
      }
      let temporary = Temporary.path()
      try create(temporary, text)
      defer { Files.remove(temporary) }
      try Mounts.bind(temporary, on: target)
    }

    /// Replaces the contents of the mounted file; running programs read it again.
    static func replace(_ text: String) throws {
      let target = target(of: path)
      guard try Files.read(target, limit: 65536).starts(with: "# Made by lima-netd".utf8) else {
        return
      }
      let fd = open(target, O_WRONLY | O_CLOEXEC | O_NOFOLLOW)
      guard fd >= 0 else { throw SystemError("open", .current, subject: target) }
      defer { Descriptor.close(fd) }
      try Files.replace(fd, with: Array(text.utf8))
    }

    private static func create(_ path: String, _ text: String) throws(SystemError) {
      let fd = try Foreground.createFile(path, mode: 0o644)
      defer { Descriptor.close(fd) }
      try Files.writeAll(fd, Array(text.utf8))
    }

    /// The target of a path whose last component may be a symbolic link, repeatedly; it need not exist.
    static func target(of path: String) -> String {
      var path = path
      for _ in 0..<40 {
        guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else {
          break
        }
        path = link.hasPrefix("/") ? link : parent(of: path) + "/" + link
      }
      return path
    }

    /// Replaces a directory by one in memory with the same entries, so that entries can be added.
    private static func copyUp(_ directory: String) throws {
      let files = FileManager.default
      let aside = Temporary.path()
      try files.createDirectory(atPath: aside, withIntermediateDirectories: false)
      defer { try? files.removeItem(atPath: aside) }
      try Mounts.bind(directory, on: aside)
      let entries = try files.contentsOfDirectory(atPath: aside)
      try Mounts.temporary(on: directory)
      let host = ".host"
      try files.createDirectory(atPath: "\(directory)/\(host)", withIntermediateDirectories: false)
      try Mounts.move(aside, to: "\(directory)/\(host)")
      for entry in entries where entry != (path.split(separator: "/").last.map(String.init)) {
        try files.createSymbolicLink(
          atPath: "\(directory)/\(entry)", withDestinationPath: "\(host)/\(entry)")
      }
    }

    private static func nearestDirectory(of path: String) -> String {
      var directory = parent(of: path)
      while directory != "/", !FileManager.default.fileExists(atPath: directory) {
        directory = parent(of: directory)
      }
      return directory
    }

    static func parent(of path: String) -> String {
      let parts = path.split(separator: "/").dropLast()
      return "/" + parts.joined(separator: "/")
    }
  }

#endif
