// SPDX-License-Identifier: Apache-2.0
//
// DaemonProcess: the supervisor as a process: log, signals, the loop on the calling thread. `serve`, and the private
// daemon of `exec`, run this.

import Logging
import Platform

package enum DaemonProcess {
  /// Serves until SIGTERM, SIGINT or a request to stop, then stops everything and returns.
  /// - Throws: what `Supervisor.start` throws; nothing has happened then.
  /// - Returns: whether it is to be started again (`lima-netd restart`).
  package static func run(_ options: ServeOptions, logLevel: Logger.Level) throws -> Bool {
    // Before this process has descriptors of its own.
    let handover = Handover.adopt()
    if handover == nil { InheritedSockets.adopt() }
    let notice = handover.map { ServiceNotice(socket: $0.state.notify) } ?? ServiceNotice()
    // Before a directory is made that nothing can be served from.
    if let problem = options.home.problem { throw ServeError.home(problem) }
    Signals.ignoreBrokenPipes()
    // Each flow of a guest is a descriptor of its network's process, which inherits the limit.
    CurrentProcess.raiseDescriptorLimit()
    let sink = LogSink()
    let log = Logger(label: "lima-netd") { _ in LineLogHandler(level: logLevel, sink: sink) }
    let loop = try EventLoop()
    let supervisor = Supervisor(options: options, loop: loop, log: log)
    // Before anything exists that a signal would have to clean up. Those that come meanwhile wait in its pipe.
    let signals = try SignalReceiver([.terminate, .interrupt, .hangup, .upgrade])
    supervisor.handover = handover
    supervisor.upgrades.notify = notice.socket
    try supervisor.start(afterLock: { try sink.open(options.home.daemonLog) })
    supervisor.service.onStop = { notice.stopping() }
    notice.ready("serving \(options.home.path)")
    try loop.add(signals.fd, .read) { _ in
      for signal in signals.receive() {
        switch signal {
        case .hangup: supervisor.reload()
        case .upgrade: supervisor.upgradeBySignal()
        case .terminate, .interrupt: supervisor.shutdown(signal.name)
        }
      }
    }
    loop.run()
    return supervisor.service.startsAgain
  }
}
