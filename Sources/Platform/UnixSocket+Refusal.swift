// SPDX-License-Identifier: Apache-2.0
//
// Why no socket can listen at a path, in words for whoever asked for it. The supervisor makes most of those sockets, a plugin's
// gateway the others: both say the same.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension UnixSocket {
  package struct Refusal: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
      /// Somebody has the path.
      case taken
      /// No path of a socket.
      case invalid
      /// The system said no.
      case system
    }

    package var kind: Kind
    package var text: String
  }

  /// - Parameters:
  ///   - code: errno of the call that failed.
  ///   - detail: what is known beyond it.
  package static func refusal(of path: String, _ code: Int32, detail: String?) -> Refusal {
    switch code {
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
