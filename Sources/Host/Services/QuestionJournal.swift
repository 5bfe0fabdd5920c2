// SPDX-License-Identifier: Apache-2.0
//
// QuestionJournal: guests' DNS questions that are under way, in memory that outlives the process: when it dies of one, or of
// anything else meanwhile, the next process hands the frames that brought them to the network again, as if they had just
// come, once the guest's link is there. A question that a process has died over twice is not asked a third time, but
// answered SERVFAIL.
//
// A slot (JournalLayout.questionSlotSize bytes): UInt32 1 while the question is under way, UInt32 processes that have died
// over it, UInt64 the guest, UInt64 when it came (monotonic nanoseconds), lnd_frame without its pointer, the frame's bytes.
// What is read is another process's, perhaps half-written: lengths are checked. Thread: loop only.

import HostProtocol
import PluginAPI

final class QuestionJournal {
  /// A question of a process that died.
  struct Left {
    var guest: UInt64
    /// Processes that died over it.
    var deaths: UInt32
    var came: UInt64
    var frame: lnd_frame
    var bytes: [UInt8]
  }

  /// Who asked so long ago has given up, nanoseconds.
  static let longest: UInt64 = 10_000_000_000
  /// Of one guest at a time.
  static let mostOfOneGuest = 64
  private static let header = 24
  private static let content = header + MemoryLayout<lnd_frame>.size
  static let longestFrame = JournalLayout.questionSlotSize - content

  private let memory: UnsafeMutableRawPointer
  private var free: [Int]
  private var slots: [DNSTicket: (slot: Int, guest: UInt64)] = [:]
  private var counts: [UInt64: Int] = [:]

  /// Takes what the process before left, and begins anew.
  /// - Parameter memory: JournalLayout.questionSlots slots, mapped for ever.
  init(memory: UnsafeMutableRawPointer) {
    self.memory = memory
    free = Array((0..<JournalLayout.questionSlots).reversed())
  }

  private func slot(_ number: Int) -> UnsafeMutableRawPointer {
    memory + number * JournalLayout.questionSlotSize
  }

  /// In the order in which they came. Nothing is in the journal afterwards.
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

  /// A question is under way. Nothing where there is no room, or the frame is too long for a question.
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

  /// It was answered, or is not wanted any more. Ignores one that was not noted.
  func forget(_ ticket: DNSTicket) {
    guard !slots.isEmpty, let (number, guest) = slots.removeValue(forKey: ticket) else { return }
    slot(number).storeBytes(of: 0, as: UInt32.self)
    free.append(number)
    let rest = counts[guest, default: 1] - 1
    counts[guest] = rest > 0 ? rest : nil
  }

  /// The network ends in order: nobody is to ask again.
  func forgetAll() { for ticket in Array(slots.keys) { forget(ticket) } }
}
