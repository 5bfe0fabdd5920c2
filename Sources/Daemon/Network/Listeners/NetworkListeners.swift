// SPDX-License-Identifier: Apache-2.0
//
// NetworkListeners: a network's sockets and the files beside them: taken when the daemon starts, given back when it ends.
// Whoever serves the sockets already is left alone; they are tried again until they are free. Loop thread.

import HostProtocol
import Platform

/// What the listeners tell their network.
protocol ListenerSurroundings: AnyObject {
  /// A guest connected; the descriptor is the callee's, as with the tunnel's.
  func arrived(_ transport: PortTransport, _ fd: Int32)
  /// A frame waits at the unixgram socket, and nobody watches it any more.
  func unixgramFrame()
  /// A connection that goes on as TCP to "ADDRESS:PORT" behind the network.
  func tunnel(to guest: String, _ fd: Int32)
  /// No instance of Lima's uses the network any more. Others may.
  func letGoByLima()
  /// - Parameter afterRefusal: they were tried again.
  func socketsOpened(afterRefusal: Bool)
  func socketsRefused(_ report: ErrorReport)
  /// It serves nobody for want of its sockets.
  var lacksSockets: Bool { get }
}

final class NetworkListeners {
  weak var network: (any ListenerSurroundings)?

  private let core: NetworkCore
  private let makeServer: (_ network: String) -> HTTPServer?
  let sockets: GuestSockets
  var endpoint: EndpointListener?
  private var server: HTTPServer?
  /// For networks that Lima looks for: its files, and the process by which it takes the network for running.
  var lima: (files: UsernetFiles, keeper: UsernetKeeper)?
  private var reopening: EventLoop.TimerID?

  /// Nanoseconds after which sockets that cannot be made are tried again.
  private static let reopenInterval: UInt64 = 5_000_000_000

  /// - Parameter makeServer: the HTTP server of `_ep.sock`, when somebody asks it for the first time.
  init(_ core: NetworkCore, makeServer: @escaping (_ network: String) -> HTTPServer?) {
    self.core = core
    self.makeServer = makeServer
    sockets = GuestSockets(paths: core.home.networkSockets(core.name), loop: core.loop)
    sockets.onGuest = { [weak self] transport, fd in
      guard let network = self?.network else { return Descriptor.close(fd) }
      network.arrived(transport, fd)
    }
    sockets.onUnixgramFrame = { [weak self] in self?.network?.unixgramFrame() }
    sockets.onComplaint = { [core] in core.log(.warning, $0) }
  }

  var paths: NetworkSockets { sockets.paths }
  var isOpen: Bool { sockets.isOpen }
  /// Lima's files; nil: it does not look for this network.
  var usernet: UsernetFiles? { lima?.files }

  /// Whether Lima looks for the network, by its mode.
  func follow(_ configuration: NetworkConfiguration) {
    guard configuration.settings.mode == InstancePlan.replacingMode else {
      lima?.keeper.withdraw()
      lima = nil
      return
    }
    guard lima == nil else { return }
    let files = UsernetFiles(network: core.name, directory: core.directory)
    let keeper = UsernetKeeper(files: files, loop: core.loop)
    keeper.onEnd = { [weak self] in self?.network?.letGoByLima() }
    lima = (files, keeper)
    if isOpen { try? keeper.publish() }
  }

  // MARK: Files that somebody removes

  /// Makes the sockets anew whose files were removed or replaced under it, and Lima's sign.
  /// - Parameter isRead: the network's process reads the socket of datagrams, which it would have to be given.
  /// - Returns: what was made anew, or cannot be, in words for the log; nil: all is as it was.
  func renew(isRead: Bool) -> String? {
    guard isOpen else { return nil }
    do throws(SystemError) {
      try Files.makePrivateDirectory(core.directory)
      var isRenewed = try sockets.renew()
      isRenewed = try endpoint?.renew() ?? false || isRenewed
      if sockets.lostUnixgram {
        guard !isRead else {
          return
            "\(paths.unixgram) was removed: it is there again after `lima-netd network stop \(core.name)` and `network start \(core.name)`"
        }
        try sockets.renewUnixgram()
        isRenewed = true
      }
      if let lima, !Files.exists(lima.files.pidFile), isRenewed {
        lima.keeper.withdraw()
        try lima.keeper.publish()
      }
      return isRenewed ? "its sockets were removed: they are there again" : nil
    } catch {
      return "its sockets were removed, and cannot be made again: \(Self.text(error))"
    }
  }

  // MARK: Opening and closing

  /// Makes the network's directory and sockets. Idempotent; may be tried again after a failure, which is told.
  func open() {
    guard !isOpen else { return }
    do {
      try Files.makePrivateDirectory(core.directory)
      if let usernet {
        try usernet.whileLocked { try listen() }
      } else {
        try listen()
      }
      let afterRefusal = reopening != nil
      endReopening()
      network?.socketsOpened(afterRefusal: afterRefusal)
    } catch let conflict as UsernetFiles.Conflict {
      refuse("\(conflict)", again: true)
    } catch let error as SystemError {
      // What is in the way may go; only a path does not get shorter.
      refuse(Self.text(error), again: error.errno != .nameTooLong)
    } catch {
      refuse("\(error)", again: false)
    }
  }

  /// Guests' sockets, then the API, then Lima's sign that both are there.
  private func listen() throws(SystemError) {
    do throws(SystemError) {
      try sockets.open()
      try openEndpoint()
      try lima?.keeper.publish()
    } catch {
      close()
      throw error
    }
  }

  /// Opens `_ep.sock`.
  private func openEndpoint() throws(SystemError) {
    guard endpoint == nil else { return }
    let endpoint = try EndpointListener(path: paths.endpoint, loop: core.loop, log: core.logger)
    endpoint.onHTTP = { [weak self] fd in
      guard let self else { return Descriptor.close(fd) }
      guard let server = server ?? makeServer(core.name) else { return HTTPServers.refuse(fd) }
      self.server = server
      server.serve(fd)
    }
    endpoint.onTunnel = { [weak self] guest, fd in
      guard let network = self?.network else { return Descriptor.close(fd) }
      network.tunnel(to: guest, fd)
    }
    endpoint.onFrames = { [weak self] fd in
      guard let network = self?.network else { return Descriptor.close(fd) }
      network.arrived(.hyperkit, fd)
    }
    self.endpoint = endpoint
  }

  private func refuse(_ text: String, again: Bool) {
    network?.socketsRefused(core.report(.system, text))
    guard again, network?.lacksSockets == true else { return endReopening() }
    if let reopening { core.loop.cancel(reopening) }
    reopening = core.loop.schedule(after: Self.reopenInterval) { [weak self] in
      guard let self, network?.lacksSockets == true else { return }
      open()
    }
  }

  private func endReopening() {
    if let reopening { core.loop.cancel(reopening) }
    reopening = nil
  }

  private static func text(_ error: SystemError) -> String {
    switch error.errno {
    case .addressInUse:
      "\(error); another process serves it: stop that one (a `limactl usernet`?), or use another Lima home"
    case .nameTooLong:
      "\(error); a socket's path has at most \(UnixSocket.maximumPathLength) bytes: use a shorter Lima home or name"
    default:
      FileTrouble(error).map { $0.message + ($0.remedy.map { ". " + $0 } ?? "") } ?? "\(error)"
    }
  }

  /// The sign first: a client that sees it may connect. Idempotent.
  func close() {
    endReopening()
    lima?.keeper.withdraw()
    endpoint?.close()
    endpoint = nil
    sockets.close()
  }

  // MARK: Unixgram

  /// The socket of guests whose frames the process reads itself; nil while it is closed.
  var unixgram: Int32? { sockets.unixgram >= 0 ? sockets.unixgram : nil }

  /// No process reads it: the next frame is told. Idempotent.
  func watchUnixgram() { try? sockets.watchUnixgram() }

  /// A process reads it from now on. Idempotent.
  func unwatchUnixgram() { sockets.unwatchUnixgram() }

  /// Drops the frames that wait.
  func drainUnixgram() { sockets.drainUnixgram() }
}
