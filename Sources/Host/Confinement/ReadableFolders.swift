// SPDX-License-Identifier: Apache-2.0
//
// ReadableFolders: what of the system a network's process reads while it runs: libraries that the C library or a plugin
// loads late (NSS modules, character sets, a DNS plugin that replaces another), the resolver's files and what services
// leave for it, certificates, time zones, the kernel's own reports.

import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum ReadableFolders {
  private static let fixed = [
    "/usr", "/lib", "/lib64", "/etc", "/run", "/var/run", "/var/lib/sss", "/var/lib/nscd",
    "/nix/store",
    "/gnu/store", "/proc", "/sys", "/dev/random", "/dev/urandom",
  ]
  /// Links that may lead out of /etc: into /mnt/wsl, /var/lib, or a store.
  private static let linked = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"]

  /// Computed when asked: before the files are bounded.
  static var all: [String] {
    fixed + linked.compactMap { target(of: $0).flatMap(folder) } + librariesFolders()
  }

  /// The folders of all that is mapped: the Swift runtime may lie anywhere.
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

  /// Of a file, unless it is the root or somebody's home as a whole.
  private static func folder(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
    let folder = String(path[..<slash])
    return folder == getenv("HOME").map { String(cString: $0) } ? path : folder
  }
}
