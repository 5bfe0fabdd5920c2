// SPDX-License-Identifier: Apache-2.0
//
// Whether the host has an IPv6 route to the Internet, and a descriptor that is readable when that may have changed
// (Platform/IPv6Reach). Thread: loop only.

import Platform

package final class IPv6RouteWatch {
  private var fd: Int32 = -1
  private var handle: HandleID = 0

  package init() {}

  /// Whether the kernel notifies of changes.
  var isWatched: Bool { handle != 0 }

  /// Begins to watch. Returns whether there is a route now.
  func start(_ host: StackHost, token: EventToken) -> Bool {
    do throws(SystemError) {
      fd = try IPv6Reach.watch()
      handle = host.watch(fd, events: .read, token: token)
    } catch {
      // Without notifications the route is checked periodically.
      fd = -1
    }
    return IPv6Reach.isWorldReachable()
  }

  /// Whether there is a route now.
  func look() -> Bool {
    if fd >= 0 { IPv6Reach.drain(fd) }
    return IPv6Reach.isWorldReachable()
  }

  func stop(_ host: StackHost) {
    host.unwatch(handle)
    handle = 0
    Descriptor.close(fd)
    fd = -1
  }
}
