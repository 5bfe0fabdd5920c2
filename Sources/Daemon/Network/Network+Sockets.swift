// SPDX-License-Identifier: Apache-2.0
//
// A network's sockets and the files beside them: taken when the daemon starts, given back when it ends. Whoever serves
// the sockets already is left alone.

import HostProtocol
import Platform

extension Network {
  /// How often a network whose sockets cannot be made is looked at again.
  private static let reopenInterval: UInt64 = 5_000_000_000

  /// Whether Lima looks for the network, by its mode.
  func takeUsernet(_ configuration: NetworkConfiguration) {
    guard configuration.settings.mode == InstancePlan.replacingMode else {
      keeper?.withdraw()
      (keeper, usernet) = (nil, nil)
      return
    }
    guard usernet == nil else { return }
    let files = UsernetFiles(network: name, directory: context.home.networkDirectory(name))
    let keeper = UsernetKeeper(files: files, loop: context.loop)
    keeper.onEnd = { [weak self] in self?.letGoByLima() }
    (self.keeper, usernet) = (keeper, files)
    if sockets.isOpen { try? keeper.publish() }
  }

  /// No instance of Lima's uses the network any more. Others may.
  private func letGoByLima() {
    let idle = guests.isEmpty && unixgramGuests.isEmpty && !isHeld
    guard state == .running, idle else {
      let count = guests.count + unixgramGuests.count
      return log(
        .info, "Lima needs it no more; \(Plural.text(count, "guest")) \(count == 1 ? "does" : "do")"
      )
    }
    stop("Lima needs it no more")
  }

  /// Makes the network's directory and sockets. A failure is the network's error; `open` may be tried again.
  func open() {
    guard !sockets.isOpen else { return }
    do {
      try Files.makePrivateDirectory(context.home.networkDirectory(name))
      if let usernet {
        try usernet.whileLocked { try listen() }
      } else {
        try listen()
      }
      if error?.code == Self.socketError {
        if openTimer != nil { log(.notice, "its sockets are free: it is served from now on") }
        error = nil
        state = .stopped
      }
      endReopening()
    } catch let conflict as UsernetFiles.Conflict {
      refuse("\(conflict)", again: true)
    } catch let error as SystemError {
      // What is in the way may go; only a path does not get shorter.
      refuse("\(error)\(Self.remedy(error))", again: error.errno != .nameTooLong)
    } catch {
      refuse("\(error)", again: false)
    }
  }

  /// Guests' sockets, then the API, then Lima's sign that both are there.
  private func listen() throws(SystemError) {
    do throws(SystemError) {
      try sockets.open()
      try openEndpoint()
      try keeper?.publish()
    } catch {
      closeSockets()
      throw error
    }
  }

  private func refuse(_ text: String, again: Bool) {
    let report = ErrorReport(code: Self.socketError, message: "network \(name): \(text)")
    if error != report { log(.error, text) }
    error = report
    state = .failed
    guard again, !retired else { return endReopening() }
    if let openTimer { context.loop.cancel(openTimer) }
    openTimer = context.loop.schedule(after: Self.reopenInterval) { [weak self] in
      guard let self, !retired, state == .failed else { return }
      open()
    }
  }

  private func endReopening() {
    if let openTimer { context.loop.cancel(openTimer) }
    openTimer = nil
  }

  private static func remedy(_ error: SystemError) -> String {
    switch error.errno {
    case .addressInUse:
      "; another process serves it: stop that one (a `limactl usernet`?), or use another Lima home"
    case .nameTooLong:
      "; a socket's path has at most \(UnixSocket.maximumPathLength) bytes: use a shorter Lima home or name"
    default: ""
    }
  }

  /// The sign first: a client that sees it may connect. Idempotent.
  func closeSockets() {
    endReopening()
    keeper?.withdraw()
    endpoint?.close()
    endpoint = nil
    sockets.close()
  }
}
