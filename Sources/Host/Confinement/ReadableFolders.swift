// SPDX-License-Identifier: Apache-2.0
//
// ReadableFolders: the system's folders that a network process reads while it runs: libraries loaded late (NSS
// modules, character sets, a DNS plugin that replaces another), the resolver's files and those that services write
// for it, certificates, time zones, /proc and /sys.

import LibC
import Platform

enum ReadableFolders {
  private static let fixed = [
    "/usr", "/lib", "/lib64", "/etc", "/run", "/var/run", "/var/lib/sss", "/var/lib/nscd",
    "/nix/store",
    "/gnu/store", "/proc", "/sys", "/dev/random", "/dev/urandom",
  ]
  /// Symbolic links whose targets may be outside /etc: in /mnt/wsl, /var/lib, or a store.
  private static let linked = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]

  /// Computed on access; read it before files are confined.
  static var all: [String] {
    fixed + linked.compactMap { target(of: $0).flatMap(folder) } + librariesFolders()
  }

  /// The folders of all mapped files: the Swift runtime may be installed anywhere.
  private static func librariesFolders() -> [String] {
    guard let maps = try? Files.read("/proc/self/maps", limit: 4 << 20) else { return [] }
    var found: Set<String> = []
    for line in String(decoding: maps, as: UTF8.self).split(separator: "\n") {
      // "... /usr/lib/libc.so.6"
      guard let slash = line.firstIndex(of: "/"),
        line.split(separator: ".").dropFirst().contains(where: { $0.hasPrefix("so") })
      else { continue }
      if let folder = folder(of: String(line[slash...])) { found.insert(folder) }
    }
    return found.sorted()
  }

  private static func target(of path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// The folder of a file, unless that is the root or a user's home directory.
  private static func folder(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
    let folder = String(path[..<slash])
    return folder == getenv("HOME").map { String(cString: $0) } ? path : folder
  }
}
