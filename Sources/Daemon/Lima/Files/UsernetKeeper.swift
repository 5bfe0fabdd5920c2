// SPDX-License-Identifier: Apache-2.0
//
// UsernetKeeper: the process in `usernet_NAME.pid`. Lima decides by that process whether a network runs, and also ends it:
// when no instance uses the network any more, `limactl` sends it SIGINT, and SIGKILL after 5 s. If it were the daemon, all
// networks would end. Therefore each user-v2 network has an idle process, whose end means that Lima no longer needs the
// network.
//
// While Lima waits for that end the file must be absent; afterwards it must exist again, with another process, because the
// sockets still listen. Meanwhile another `limactl` could start a `usernet`, which would take the sockets over. It does so
// under a lock on the network's directory: this type takes the lock before it reaps the dead process, which until then
// still exists for Lima, and releases it when the file exists again, since a `usernet` does not start then.
//
// The process waits on a socket for the daemon's end, and ends with it. Loop thread.

import Platform

final class UsernetKeeper {
  /// Called when Lima has ended the process.
  var onEnd: () -> Void = {}

  private let files: UsernetFiles
  let loop: EventLoop
  var child: (pid: Int32, socket: Int32)?
  var timer: EventLoop.TimerID?
  /// Lima's lock, while there is no file.
  var lock: Int32?

  /// Nanoseconds without the file: Lima checks every 500 ms, for 5 s.
  private static let absence: UInt64 = 700_000_000
  private static let patience: UInt64 = 3_000_000_000
  private static let retry: UInt64 = 20_000_000

  init(files: UsernetFiles, loop: EventLoop) {
    self.files = files
    self.loop = loop
  }

  /// Called when the sockets listen: creates the file.
  func publish() throws(SystemError) {
    guard child == nil else { return }
    let (own, childs) = try UnixSocket.pair()
    var pid: Int32 = -1
    do throws(SystemError) {
      defer { Descriptor.close(childs) }
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      try Descriptor.setNonBlocking(childs, false)
      pid = try ChildProcess.spawn(
        "/bin/sh", ["-c", "read -r _", "lima-netd:\(files.network)"],
        fds: [(from: childs, to: 0), (from: null, to: 1), (from: null, to: 2)], newGroup: true)
      child = (pid, own)
      try files.publish(pid: pid)
      try loop.add(own, .read) { [weak self] _ in self?.ended() }
    } catch {
      if pid < 0 { Descriptor.close(own) }
      withdraw()
      throw error
    }
  }

  /// Called before the sockets are closed. Idempotent.
  func withdraw() {
    if let timer { loop.cancel(timer) }
    timer = nil
    release()
    unlock()
  }

  func ended() {
    guard let (_, socket) = child else { return }
    loop.remove(socket)
    onEnd()
    depart(by: MonotonicClock.now() &+ Self.patience)
  }

  /// Removes the file when no `usernet` can be started meanwhile.
  private func depart(by deadline: UInt64) {
    lock = files.lock()
    guard lock != nil || MonotonicClock.now() >= deadline else {
      timer = loop.schedule(after: Self.retry) { [weak self] in self?.depart(by: deadline) }
      return
    }
    release()
    timer = loop.schedule(after: Self.absence) { [weak self] in
      guard let self else { return }
      timer = nil
      try? publish()
      unlock()
    }
  }

  private func unlock() {
    if let lock { Descriptor.close(lock) }
    lock = nil
  }

  private func release() {
    guard let (pid, socket) = child else { return }
    child = nil
    files.withdraw(pid: pid)
    loop.remove(socket)
    Descriptor.close(socket)
    // It may still run, and has no state to save.
    ChildProcess.kill(pid, 9)
    _ = try? ChildProcess.wait(pid)
  }
}
