// SPDX-License-Identifier: Apache-2.0
//
// UsernetKeeper: the process that `usernet_NAME.pid` names. Lima not only takes a network for running by that process,
// it also ends it: whenever none of its instances uses the network, `limactl` sends it SIGINT, and SIGKILL if that does
// not help within 5 s. Were it the daemon, every network and every guest would go with it. So a process that does
// nothing stands there for each user-v2 network: its end is Lima's word that it needs the network no more.
//
// While Lima waits for that end the file has to be gone; afterwards it has to be there again, with another process,
// for the sockets still listen. In between another `limactl` would start a `usernet`, which takes the sockets over. It
// does so under a lock on the network's directory, though: that is taken while the dead process is not waited for and so
// still counts as there, and let go when the file is back, with which a `usernet` refuses to start.
//
// The process waits at a socket for the daemon's end and ends with it, whatever ended that.
// Loop thread.

import Platform

final class UsernetKeeper {
  /// Lima has ended the process.
  var onEnd: () -> Void = {}

  private let files: UsernetFiles
  let loop: EventLoop
  var child: (pid: Int32, socket: Int32)?
  var timer: EventLoop.TimerID?
  /// Lima's lock, while there is no file.
  var lock: Int32?

  /// Lima looks every 500 ms, for 5 s.
  private static let absence: UInt64 = 700_000_000
  private static let patience: UInt64 = 3_000_000_000
  private static let retry: UInt64 = 20_000_000

  init(files: UsernetFiles, loop: EventLoop) {
    self.files = files
    self.loop = loop
  }

  /// The sockets listen: says so.
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

  /// Before the sockets go. Idempotent.
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

  /// Lets the file go as soon as nobody can start a `usernet` meanwhile.
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
    // It may live still, and has nothing to finish.
    ChildProcess.kill(pid, 9)
    _ = try? ChildProcess.wait(pid)
  }
}
