// SPDX-License-Identifier: Apache-2.0
//
// Why a socket cannot listen at a path, in words for the user. The supervisor makes most of those sockets, a plugin's
// gateway the others: both use the same words.

import LibC

extension UnixSocket {
  package struct Refusal: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
      /// Another socket listens there.
      case taken
      /// Not usable as a socket's path.
      case invalid
      /// A system call failed.
      case system
    }

    package var kind: Kind
    package var text: String
  }

  /// Nil: the root, or none.
  private static func folder(of path: String) -> String? {
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return nil }
    return String(path[..<slash])
  }

  /// - Parameters:
  ///   - code: errno of the call that failed.
  ///   - detail: further information.
  package static func refusal(of path: String, _ code: Int32, detail: String?) -> Refusal {
    switch code {
    case ENOENT where folder(of: path) != nil:
      Refusal(
        kind: .system,
        text: "\(path): there is no folder \(folder(of: path) ?? ""): mkdir -p "
          + ShellWord.quoted(folder(of: path) ?? ""))
    case EADDRINUSE: Refusal(kind: .taken, text: "\(path) is in use")
    case EEXIST: Refusal(kind: .taken, text: "\(path): \(detail ?? "something else is there")")
    case ENAMETOOLONG:
      Refusal(
        kind: .invalid,
        text: "\(path): the path of a socket has \(maximumPathLength) bytes at most")
    case EACCES, EPERM:
      Refusal(kind: .system, text: "\(path): no permission to make a socket there")
    default: Refusal(kind: .system, text: "\(path): \(detail ?? Errno(code).description)")
    }
  }
}
