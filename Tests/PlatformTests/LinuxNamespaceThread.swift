// SPDX-License-Identifier: Apache-2.0
//
// Runs a test's body in a network namespace that nobody else sees: on a thread of its own, which ends with it.

#if os(Linux)

  import LibC
  import Synchronization

  @testable import Platform

  enum NamespaceThread {
    /// Why bodies cannot run here; nil when they can.
    static let obstacle: String? = {
      if geteuid() != 0 {
        return "needs root: a process with threads has no way into a user namespace"
      }
      do {
        try run { _ = try Tap.open(name: "probe") }
        return nil
      } catch {
        return "needs network namespaces and \(Tap.device): \(error)"
      }
    }()

    static var isPossible: Bool {
      if let obstacle { print("skipped: \(obstacle)") }
      return obstacle == nil
    }

    static func run(_ body: @escaping @Sendable () throws -> Void) throws {
      let box = Box(body)
      var thread = pthread_t()
      let created = pthread_create(
        &thread, nil,
        { context in
          guard let context else { return nil }
          let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
          box.result.withLock { result in
            result = Result {
              try Namespaces.unshare(.network)
              try box.body()
            }
          }
          return nil
        }, Unmanaged.passRetained(box).toOpaque())
      guard created == 0 else { throw SystemError("pthread_create", Errno(created)) }
      pthread_join(thread, nil)
      try box.result.withLock { try $0?.get() }
    }

    private final class Box: Sendable {
      let body: @Sendable () throws -> Void
      let result = Mutex<Result<Void, any Error>?>(nil)

      init(_ body: @escaping @Sendable () throws -> Void) {
        self.body = body
      }
    }
  }

#endif
