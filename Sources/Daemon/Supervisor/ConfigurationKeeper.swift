// SPDX-License-Identifier: Apache-2.0
//
// ConfigurationKeeper: the configuration that holds, and how it becomes another: networks.yaml is read again when it
// changes, after SIGHUP, and when somebody asks. A file that is refused changes nothing. Loop thread.

import HostProtocol
import Logging
import Platform

final class ConfigurationKeeper {
  let file: String
  private(set) var current: Configuration
  /// When it was read.
  private(set) var loaded = WallClock.timestamp()
  /// Why the file as it is now does not hold.
  private(set) var error: String?
  /// How often the file was read again, whatever came of it.
  private(set) var rereadings = 0
  /// Another configuration holds from now on.
  var onChange: (Configuration) -> Void = { _ in }
  /// A reading begins; so many come to their end up to and with it.
  var onBegin: (_ outstanding: Int) -> Void = { _ in }
  /// A reading came to its end: `hold` it.
  var onOutcome: (ConfigReader.Outcome) -> Void = { _ in }

  private let mayBeMissing: Bool
  private let loop: EventLoop
  private let log: Logger
  /// [any thread] Has the loop call `collect`.
  private let notify: @Sendable () -> Void
  private var watcher: ConfigWatcher?
  private var reader: ConfigReader?
  private var isClosed = false

  /// - Parameter mayBeMissing: without the file the built-in networks hold.
  init(
    file: String, mayBeMissing: Bool, loop: EventLoop, log: Logger,
    notify: @escaping @Sendable () -> Void
  ) {
    self.file = file
    self.mayBeMissing = mayBeMissing
    self.loop = loop
    self.log = log
    self.notify = notify
    current = ConfigDecoder.withoutFile(file)
  }

  /// Reads it for the first time; nothing holds yet.
  func load() throws -> Configuration {
    try Configuration.loadTrusted(file, mayBeMissing: mayBeMissing)
  }

  /// It holds.
  func take(_ new: Configuration) {
    current = new
    onChange(new)
  }

  /// What others write into networks.yaml, as `limactl network create` does, holds at once. Without inotify it holds
  /// after SIGHUP.
  /// - Parameter stamp: of the file that was read.
  func watch(since stamp: FileStamp) {
    do {
      watcher = try ConfigWatcher(path: file, stamp: stamp, loop: loop) { [weak self] in
        self?.reload()
      }
    } catch {
      log.warning("changes of \(file) are not noticed, send SIGHUP after one: \(error)")
    }
  }

  /// Reads the file again, which takes a moment. A bad one is told, and what holds stays.
  func reload() {
    guard !isClosed else { return }
    watcher?.note(FileStamp(of: file))
    let reader = self.reader ?? ConfigReader(notify: notify)
    self.reader = reader
    let outcome = reader.begin(file, mayBeMissing: mayBeMissing, before: current)
    onBegin(reader.outstanding)
    if let outcome { onOutcome(outcome) }
  }

  /// Takes what the reader's thread has read.
  func collect() {
    for outcome in reader?.take() ?? [] where !isClosed { onOutcome(outcome) }
  }

  /// What was read holds from now on, unless it is refused.
  func hold(_ outcome: ConfigReader.Outcome) {
    rereadings += 1
    do {
      take(try outcome.get())
      error = nil
      loaded = WallClock.timestamp()
      log.notice(
        "configuration reread: \(current.present ? file : "no file, built-in networks")")
    } catch {
      self.error = "\(error)"
      log.error("the configuration is refused, the one before stays:\n\(error)")
    }
  }

  /// Changes are looked for no more.
  func unwatch() {
    watcher?.close()
    watcher = nil
  }

  /// Nothing is read any more, and what is being read is of no use.
  func close() {
    isClosed = true
    unwatch()
    reader?.close()
    reader = nil
  }
}
