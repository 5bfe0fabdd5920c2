// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import NetStack

/// RFC 5682 §2.1, step by step.
@Suite(.timeLimit(.minutes(1)))
struct SpuriousTimeoutTests {
  private func fired(window: UInt32 = 50_000, isRecovering: Bool = false) -> SpuriousTimeout {
    var state = SpuriousTimeout()
    state.timerFired(window: window, isFirst: true, isRecovering: isRecovering)
    return state
  }

  @Test
  func `two ACKs that advance, with new segments between them, say that nothing was lost (3b)`() {
    var state = fired()
    #expect(state.isUndecided && state.windowBefore == 50_000)
    #expect(state.advanced(isAll: false, canSendNew: true) == .sendNew)
    #expect(state.windowBefore == 50_000)
    #expect(state.advanced(isAll: false, canSendNew: true) == .spurious)
  }

  @Test func `a duplicate says that something was (2a, 3a)`() {
    var state = fired()
    #expect(state.duplicate() == false)
    #expect(!state.isUndecided)
    state = fired()
    #expect(state.advanced(isAll: false, canSendNew: true) == .sendNew)
    #expect(state.duplicate() == true)
    #expect(state.advanced(isAll: false, canSendNew: true) == .none)
  }

  @Test func `without anything new to send it cannot be told (2b)`() {
    var state = fired()
    #expect(state.advanced(isAll: false, canSendNew: false) == .none)
    #expect(!state.isUndecided)
  }

  @Test func `an ACK of everything says nothing by itself (2b)`() {
    var state = fired()
    #expect(state.advanced(isAll: true, canSendNew: true) == .none)
    // A duplicate SACK may (3708 §3).
    #expect(state.isUndecided)
  }

  @Test func `a second timeout is about the first one's window, until new segments went out`() {
    var state = fired()
    state.timerFired(window: 1000, isFirst: false, isRecovering: false)
    #expect(state.windowBefore == 50_000)
    #expect(state.advanced(isAll: false, canSendNew: true) == .sendNew)
    state.timerFired(window: 1000, isFirst: false, isRecovering: false)
    #expect(!state.isUndecided)
  }

  @Test func `in recovery nothing is undone: what is reported twice may be a retransmission`() {
    #expect(!fired(isRecovering: true).isUndecided)
  }

  @Test func `a window that limits nothing is remembered, too`() {
    var state = fired(window: FlowCongestion.unlimited)
    #expect(state.windowBefore == FlowCongestion.unlimited)
    #expect(state.advanced(isAll: false, canSendNew: true) == .sendNew)
    #expect(state.windowBefore == FlowCongestion.unlimited)
  }
}
