// SPDX-License-Identifier: Apache-2.0
//
// UnsentBytes: decides which connections of a namespace `exec` and `attach` wait for when they end, and for how long. No
// I/O: LastBytes reads the kernel's state.

import Platform

#if os(Linux)

  struct UnsentBytes {
    /// Nanoseconds.
    struct Limits {
      /// Maximum time without any progress.
      var stall: UInt64 = 30_000_000_000
      /// Maximum time with progress.
      var total: UInt64 = 600_000_000_000
      /// For packets that belong to no connection, after the connections have finished.
      var packets: UInt64 = 1_000_000_000
      /// Until the user is informed.
      var patience: UInt64 = 1_000_000_000

      /// For a command that was interrupted by its user.
      static let interrupted = Limits(stall: 3_000_000_000, total: 3_000_000_000)
    }

    enum Verdict: Equatable {
      case done
      case wait
      /// Once: the wait takes longer than expected.
      case tell(String)
      case giveUp(String)
    }

    private let limits: Limits
    private let began: UInt64
    private var lastProgress: UInt64
    private var hasTold = false
    /// Bytes to be acknowledged at the command's end, by connection; nil where the kernel does not count them.
    private let goals: [UInt64: UInt64?]
    private var remaining: UInt64
    /// When the connections had finished.
    private var sentAll: UInt64?

    /// - Parameters:
    ///   - connections: at the command's end. Those between programs of the namespace are ignored.
    ///   - orphansOnly: ignore connections that a process still has open.
    init(
      _ connections: [TCPConnectionInfo], orphansOnly: Bool = false, limits: Limits = Limits(),
      now: UInt64
    ) {
      self.limits = limits
      began = now
      lastProgress = now
      var goals: [UInt64: UInt64?] = [:]
      for connection in connections
      where !connection.isLocal && (connection.isOrphan || !orphansOnly) {
        goals[connection.cookie] = .some(
          connection.acknowledged.map { $0 + UInt64(connection.unacknowledged) })
      }
      self.goals = goals
      remaining = .max
    }

    /// - Parameters:
    ///   - connections: at present.
    ///   - hasPackets: packets that belong to no connection are still in the namespace.
    mutating func look(
      _ connections: [TCPConnectionInfo], hasPackets: Bool, now: UInt64
    ) -> Verdict {
      var left: UInt64 = 0
      var slowest: (bytes: UInt64, remote: String)?
      for connection in connections {
        guard let goal = goals[connection.cookie] else { continue }
        let bytes = Self.missing(connection, goal)
        left += bytes
        if bytes > slowest?.bytes ?? 0 { slowest = (bytes, connection.remote) }
      }
      if left == 0 {
        if sentAll == nil { sentAll = now }
        return hasPackets && now &- (sentAll ?? now) < limits.packets ? .wait : .done
      }
      if left < remaining {
        remaining = left
        lastProgress = now
      }
      let what = Self.text(left) + (slowest.map { " to \($0.remote)" } ?? "")
      if now &- lastProgress >= limits.stall || now &- began >= limits.total {
        return .giveUp(what)
      }
      if !hasTold, now &- began >= limits.patience {
        hasTold = true
        return .tell(what)
      }
      return .wait
    }

    /// For a connection that a process has open, only bytes written before the command's end count: a background program
    /// may write without end.
    private static func missing(_ connection: TCPConnectionInfo, _ goal: UInt64?) -> UInt64 {
      let unacknowledged = UInt64(connection.unacknowledged)
      guard !connection.isOrphan, let goal, let acknowledged = connection.acknowledged else {
        return unacknowledged
      }
      return goal > acknowledged ? min(goal - acknowledged, unacknowledged) : 0
    }

    /// "812 bytes", "3.2 MB"
    static func text(_ bytes: UInt64) -> String {
      switch bytes {
      case 1: return "1 byte"
      case ..<1000: return Plural.text(Int(bytes), "byte")
      case ..<1_000_000: return "\(bytes / 1000) kB"
      default: return "\(bytes / 1_000_000).\(bytes / 100_000 % 10) MB"
      }
    }
  }

#endif
