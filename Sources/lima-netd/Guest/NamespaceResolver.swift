// SPDX-License-Identifier: Apache-2.0
//
// NamespaceResolver: the DNS servers in a namespace of `attach`, from its resolv.conf, which attach does not change. The
// file is that in the process's root directory (a container), or the one that `ip netns exec` mounts over /etc/resolv.conf.

import Daemon
import Platform

#if os(Linux)

  struct NamespaceResolver {
    /// The file's path for users.
    private let file: String
    /// Its present contents; nil: it does not exist.
    private let text: String?

    init(_ place: NamespacePlace) {
      if let process = place.process {
        let path = "/proc/\(process)/root\(ResolverFile.path)"
        let isHosts =
          Namespaces.identity(of: "/proc/\(process)/root/") == Namespaces.identity(of: "/")
          && Namespaces.identity(of: path) == Namespaces.identity(of: ResolverFile.path)
        file = isHosts ? "the host's \(ResolverFile.path)" : "its \(ResolverFile.path)"
        text = Self.read(path)
        return
      }
      let directory = NamespacePlace.directory + "/"
      guard place.path.hasPrefix(directory) else {
        file = "the host's \(ResolverFile.path)"
        text = Self.read(ResolverFile.path)
        return
      }
      // ip-netns(8)
      file = "/etc/netns/\(place.path.dropFirst(directory.count))/resolv.conf"
      text = Self.read(file)
    }

    init(file: String, text: String?) {
      self.file = file
      self.text = text
    }

    private static func read(_ path: String) -> String? {
      (try? Files.read(path, limit: 64 << 10)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// What to write to which file so that `servers` are asked; nil: they are already, or there are none.
    func note(_ servers: [String], search: [String]) -> String? {
      guard let first = servers.first else { return nil }
      let asked = (text ?? "").split(separator: "\n").first { $0.hasPrefix("nameserver") }
      if asked?.split(whereSeparator: \.isWhitespace).dropFirst().first.map(String.init) == first {
        return nil
      }
      let lines = ResolverFile.lines(servers, search: search).map { "\n  \($0)" }.joined()
      return
        "Names are looked up as \(file) says\(text == nil ? ", which is not there" : "").  For this network's:\(lines)"
    }
  }

#endif
