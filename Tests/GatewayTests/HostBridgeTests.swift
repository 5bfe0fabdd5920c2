// SPDX-License-Identifier: Apache-2.0
//
// NetStack's own types are those of the ABI, bit for bit: they are handed over without a copy.

import Gateway
import NetStack
import PluginAPI
import Testing

@Suite(.timeLimit(.minutes(1))) struct HostBridgeTests {
  @Test func `frames, slices and events lie in memory as the ABI has them`() {
    #expect(SharedLayout.holds)
    #expect(MemoryLayout<Frame>.size == MemoryLayout<lnd_frame>.size)
  }

  @Test func `a frame of the host's is the same frame for the stack`() {
    var frame = lnd_frame()
    frame.length = 1
    frame.slices = 2
    frame.flags = LND_FRAME_NEEDS_CSUM | LND_FRAME_SLICES
    frame.gso_type = UInt16(LND_GSO_UDP_L4)
    frame.gso_size = 3
    frame.csum_start = 4
    frame.csum_offset = 5
    frame.hdr_len = 6
    let own = withUnsafeBytes(of: frame) { $0.loadUnaligned(as: Frame.self) }
    #expect(own.data == nil && own.length == 1 && own.sliceCount == 2)
    #expect(own.flags == [.needsChecksum, .slices] && own.gsoType == .udp && own.gsoSize == 3)
    #expect(own.checksumStart == 4 && own.checksumOffset == 5 && own.headerLength == 6)
    var event = lnd_fd_event()
    event.user = 7
    event.events = LND_FD_WRITE | LND_FD_ERROR
    let ownEvent = withUnsafeBytes(of: event) { $0.loadUnaligned(as: FDEvent.self) }
    #expect(ownEvent.token == 7 && ownEvent.events == [.write, .error])
  }

  @Test func `the numbers of both are the same`() {
    #expect(FrameFlags.needsChecksum.rawValue == LND_FRAME_NEEDS_CSUM)
    #expect(FrameFlags.checksumValid.rawValue == LND_FRAME_CSUM_VALID)
    #expect(FrameFlags.slices.rawValue == LND_FRAME_SLICES)
    #expect(Frame.maximumLength == Int(LND_FRAME_MAX))
    #expect(Frame.maximumSlices == Int(LND_FRAME_MAX_SLICES))
    #expect(UInt32(GSOType.none.rawValue) == LND_GSO_NONE)
    #expect(UInt32(GSOType.tcpV4.rawValue) == LND_GSO_TCPV4)
    #expect(UInt32(GSOType.tcpV6.rawValue) == LND_GSO_TCPV6)
    #expect(UInt32(GSOType.udp.rawValue) == LND_GSO_UDP_L4)
    #expect(Offloads.checksum.rawValue == LND_OFFLOAD_CSUM)
    #expect(Offloads.tcpV4.rawValue == LND_OFFLOAD_TSO4)
    #expect(Offloads.tcpV6.rawValue == LND_OFFLOAD_TSO6)
    #expect(Offloads.udp.rawValue == LND_OFFLOAD_UDP_SEGMENT)
    #expect(LinkKind.guest.rawValue == LND_PORT_GUEST)
    #expect(LinkKind.switch.rawValue == LND_PORT_SWITCH)
    #expect(UInt32(FDEvents.read.rawValue) == LND_FD_READ)
    #expect(UInt32(FDEvents.write.rawValue) == LND_FD_WRITE)
    #expect(UInt32(FDEvents.error.rawValue) == LND_FD_ERROR)
    #expect(UInt32(FDEvents.hangup.rawValue) == LND_FD_HANGUP)
    #expect(LogLevel.warning.rawValue == LND_LOG_WARN)
    #expect(LogLevel.error.rawValue == LND_LOG_ERROR)
  }
}
