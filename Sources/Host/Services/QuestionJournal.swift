// SPDX-License-Identifier: Apache-2.0
//
// QuestionJournal: guests' DNS questions in progress, in memory that outlives the process. If the process dies, the next
// one passes the frames that contained them to the network again, as if they had just arrived, when the guest's link has
// been added. A question during which processes have died twice is not asked a third time, but answered SERVFAIL.
//
// A slot (JournalLayout.questionSlotSize bytes): UInt32 1 while the question is in progress, UInt32 number of processes
// that have died during it, UInt64 the guest, UInt64 its arrival (monotonic nanoseconds), lnd_frame without its pointer,
// the frame's bytes. The memory was written by another process, perhaps partially: lengths are checked. Thread: loop only.

import HostProtocol
import PluginAPI

final class QuestionJournal {
  /// A question of a process that died.
  struct Left {
    var guest: UInt64
    /// Number of processes that died during it.
    var deaths: UInt32
    var came: UInt64
    var frame: lnd_frame
    var bytes: [UInt8]
  }

  /// Older questions are dropped, since their clients have given up, nanoseconds.
  static let longest: UInt64 = 10_000_000_000
  /// Maximum for one guest.
  static let mostOfOneGuest = 64
  private static let header = 24
  private static let content = header + MemoryLayout<lnd_frame>.size
  static let longestFrame = JournalLayout.questionSlotSize - content

  private let memory: UnsafeMutableRawPointer
  private var free: [Int]
  private var slots: [DNSTicket: (slot: Int, guest: UInt64)] = [:]
  private var counts: [UInt64: Int] = [:]

  /// Reads the questions of the previous process, and clears the journal.
  /// - Parameter memory: JournalLayout.questionSlots slots, never unmapped.
  init(memory: UnsafeMutableRawPointer) {
    self.memory = memory
    free = Array((0..<JournalLayout.questionSlots).reversed())
  }

  private func slot(_ number: Int) -> UnsafeMutableRawPointer {
    memory + number * JournalLayout.questionSlotSize
  }

  /// The questions of the previous process, in the order of their arrival. The journal is empty afterwards.
  func takeLeft() -> [Left] {
    var left: [Left] = []
    for number in 0..<JournalLayout.questionSlots {
      let slot = slot(number)
      guard slot.load(as: UInt32.self) == 1 else { continue }
      var frame = lnd_frame()
      withUnsafeMutableBytes(of: &frame) {
        $0.copyMemory(
          from: UnsafeRawBufferPointer(start: slot + Self.header, count: $0.count))
      }
      slot.storeBytes(of: 0, as: UInt32.self)
      frame.data = nil
      guard (14...Self.longestFrame).contains(Int(frame.length)) else { continue }
      left.append(
        Left(
          guest: slot.load(fromByteOffset: 8, as: UInt64.self),
          deaths: slot.load(fromByteOffset: 4, as: UInt32.self) &+ 1,
          came: slot.load(fromByteOffset: 16, as: UInt64.self), frame: frame,
          bytes: Array(
            UnsafeRawBufferPointer(start: slot + Self.content, count: Int(frame.length)))))
    }
    return left.sorted { $0.came < $1.came }
  }

  /// Records a question in progress. No effect if there is no room, or the frame is too long for a question.
  func note(
    _ ticket: DNSTicket, guest: UInt64, frame: lnd_frame, deaths: UInt32, now: UInt64
  ) {
    guard let data = frame.data, frame.flags & LND_FRAME_SLICES == 0,
      (14...Self.longestFrame).contains(Int(frame.length)),
      counts[guest, default: 0] < Self.mostOfOneGuest, let number = free.popLast()
    else { return }
    slots[ticket] = (number, guest)
    counts[guest, default: 0] += 1
    let slot = slot(number)
    var kept = frame
    kept.data = nil
    kept.source = 0
    slot.storeBytes(of: deaths, toByteOffset: 4, as: UInt32.self)
    slot.storeBytes(of: guest, toByteOffset: 8, as: UInt64.self)
    slot.storeBytes(of: now, toByteOffset: 16, as: UInt64.self)
    withUnsafeBytes(of: kept) {
      (slot + Self.header).copyMemory(
        from: $0.baseAddress ?? UnsafeRawPointer(slot), byteCount: $0.count)
    }
    (slot + Self.content).copyMemory(from: data, byteCount: Int(frame.length))
    slot.storeBytes(of: 1, as: UInt32.self)
  }

  /// The question was answered or cancelled. No effect if it was not recorded.
  func forget(_ ticket: DNSTicket) {
    guard !slots.isEmpty, let (number, guest) = slots.removeValue(forKey: ticket) else { return }
    slot(number).storeBytes(of: 0, as: UInt32.self)
    free.append(number)
    let rest = counts[guest, default: 1] - 1
    counts[guest] = rest > 0 ? rest : nil
  }

  /// The network ends in order: no question is asked again.
  func forgetAll() { for ticket in Array(slots.keys) { forget(ticket) } }
}
