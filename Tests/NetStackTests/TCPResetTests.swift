// SPDX-License-Identifier: Apache-2.0
//
// An RST of the guest in each state of a connection (RFC 9293 §3.10.7.3-4, RFC 5961 §3).

import Testing

@testable import NetStack

@Suite(.timeLimit(.minutes(5)))
struct TCPResetTests {
  /// Brings an open connection to a state.
  private static func reach(_ state: TCPState, _ guest: ScriptedGuest, _ socket: FakeKernel.Socket)
  {
    func guestFinishes() {
      guest.exchange(guest.segment([.ack, .fin]))
      guest.next &+= 1
    }
    func hostFinishes(acknowledged: Bool) {
      socket.isIncomingOver = true
      guest.poll()
      _ = guest.answers()
      guest.acknowledged &+= acknowledged ? 1 : 0
      if acknowledged { guest.exchange(guest.segment(.ack)) }
    }
    switch state {
    case .finWait1: hostFinishes(acknowledged: false)
    case .finWait2: hostFinishes(acknowledged: true)
    case .closeWait: guestFinishes()
    case .lastAck:
      guestFinishes()
      hostFinishes(acknowledged: false)
    case .closing:
      hostFinishes(acknowledged: false)
      guestFinishes()
    case .timeWait:
      hostFinishes(acknowledged: true)
      guestFinishes()
    default: break
    }
  }

  private static func state(_ guest: ScriptedGuest) -> TCPState? {
    var found: TCPState?
    guest.simulation.stack.tcp.forEachFlow { found = $0.pointee.state }
    return found
  }

  @Test(
    arguments: [.established, .finWait1, .finWait2, .closeWait, .lastAck, .closing] as [TCPState])
  func `a reset ends the connection and resets the host's side`(in state: TCPState) throws {
    let guest = ScriptedGuest(Simulation(seed: 1))
    #expect(guest.open())
    let socket = try #require(guest.socket)
    Self.reach(state, guest, socket)
    #expect(Self.state(guest) == state)
    let answers = guest.exchange(guest.segment(.rst))
    #expect(answers.isEmpty)
    #expect(guest.simulation.stack.tcp.flowCount == 0)
    #expect(socket.isClosed)
    // If both directions had ended, the socket was closed in order before.
    #expect(socket.wasReset == (state != .lastAck && state != .closing))
  }

  @Test func `a reset does not end TIME-WAIT (RFC 1337)`() throws {
    let guest = ScriptedGuest(Simulation(seed: 2))
    #expect(guest.open())
    Self.reach(.timeWait, guest, try #require(guest.socket))
    #expect(Self.state(guest) == .timeWait)
    guest.exchange(guest.segment(.rst))
    #expect(guest.simulation.stack.tcp.flowCount == 1)
  }

  @Test
  func
    `a connection in TIME-WAIT has no socket, and takes nothing of what may lead to one endpoint`()
    throws
  {
    let guest = ScriptedGuest(Simulation(seed: 5))
    #expect(guest.open())
    #expect(guest.simulation.stack.tcp.destinations.count == 2)
    let socket = try #require(guest.socket)
    Self.reach(.timeWait, guest, socket)
    #expect(Self.state(guest) == .timeWait && socket.isClosed)
    #expect(guest.simulation.stack.tcp.destinations.count == 0)
  }

  @Test func `a reset while the host's side is being connected ends the attempt`() throws {
    let simulation = Simulation(seed: 3)
    simulation.kernel.configure = { $0.connectLater = true }
    let guest = ScriptedGuest(simulation)
    guest.exchange(guest.segment(.syn, acknowledgement: 0))
    #expect(Self.state(guest) == .connecting)
    guest.next &+= 1
    guest.exchange(guest.segment(.rst))
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.socket?.isClosed == true)
  }

  @Test func `a reset in the handshake ends it`() throws {
    let simulation = Simulation(seed: 4)
    let guest = ScriptedGuest(simulation)
    guest.exchange(guest.segment(.syn, acknowledgement: 0))
    #expect(Self.state(guest) == .synReceived)
    guest.next &+= 1
    guest.exchange(guest.segment(.rst))
    #expect(simulation.stack.tcp.flowCount == 0)
    #expect(simulation.socket?.isClosed == true)
  }
}
