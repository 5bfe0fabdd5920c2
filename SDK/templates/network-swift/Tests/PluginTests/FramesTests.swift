// SPDX-License-Identifier: Apache-2.0
//
// Tests of a guest's frames and their answers.

import PluginCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct FramesTests {
  private let guest: [UInt8] = [0x52, 0x55, 0x55, 1, 2, 3]
  private let frames: Frames

  init() throws { frames = Frames(try #require(Addresses(gateway: "10.98.0.1"))) }

  private func frame(_ type: [UInt8], _ payload: [UInt8]) -> [UInt8] {
    [UInt8](repeating: 255, count: 6) + guest + type + payload
  }

  private func ip(_ proto: UInt8, to: [UInt8], _ payload: [UInt8]) -> [UInt8] {
    let total = 20 + payload.count
    let start: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 255), 0, 0, 0, 0, 64, proto]
    return frame([8, 0], start + [0, 0, 10, 98, 0, 15] + to + payload)
  }

  private func dhcp(_ options: [UInt8]) -> [UInt8] {
    var bootp: [UInt8] = [1, 1, 6] + [UInt8](repeating: 0, count: 25) + guest
    bootp += [UInt8](repeating: 0, count: 202) + [99, 130, 83, 99] + options
    let length = 8 + bootp.count
    let udp: [UInt8] = [0, 68, 0, 67, UInt8(length >> 8), UInt8(length & 255), 0, 0]
    return ip(17, to: [255, 255, 255, 255], udp + bootp)
  }

  private var ping: [UInt8] { ip(1, to: [10, 98, 0, 1], [8, 0, 0, 0, 0, 7, 0, 9, 1, 2, 3]) }

  @Test func arpForTheGatewayIsAnsweredToWhoAsked() throws {
    let arp: [UInt8] =
      [0, 1, 8, 0, 6, 4, 0, 1] + guest + [10, 98, 0, 15, 0, 0, 0, 0, 0, 0, 10, 98, 0, 1]
    let answer = try #require(frames.answer(frame([8, 6], arp)))
    #expect(Array(answer[..<6]) == guest)
    #expect(Array(answer[20..<32]) == [0, 2, 0x5a, 0x94, 0xef, 0, 0, 2, 10, 98, 0, 1])
    #expect(frames.answer(frame([8, 6], arp.dropLast() + [9])) == nil)
  }

  @Test func dhcpOffersAndAcknowledgesOneAddressAndDeniesOthers() {
    func kind(_ options: [UInt8]) -> [UInt8]? {
      frames.answer(dhcp(options)).map { [$0[284], $0[61]] }
    }
    #expect(kind([53, 1, 1, 255]) == [2, 15])
    #expect(kind([53, 1, 3, 50, 4, 10, 98, 0, 15, 255]) == [5, 15])
    #expect(kind([53, 1, 3, 50, 4, 10, 98, 0, 77, 255]) == [6, 0])
    #expect(kind([53, 1, 3, 54, 4, 10, 98, 0, 9, 255]) == nil)
    #expect(kind([53, 200, 3]) == nil)
  }

  @Test func aPingComesBack() throws {
    let answer = try #require(frames.answer(ping))
    #expect(Array(answer[26..<34]) == [10, 98, 0, 1, 10, 98, 0, 15])
    #expect(answer[34] == 0 && Array(answer[38...]) == [0, 7, 0, 9, 1, 2, 3])
  }

  @Test func aFrameThatEndsAnywhereIsNotAnswered() {
    for whole in [ping, dhcp([53, 1, 1, 255])] {
      for end in 0..<whole.count { #expect(frames.answer(Array(whole[..<end])) == nil) }
    }
  }

  @Test(arguments: ["", "10.98.0", "10.98.0.0", "10.98.0.255", "10.98.0.1.2", "10.98..1"])
  func whatIsNoHostsAddressIsTold(_ text: String) {
    #expect(Addresses(gateway: text) == nil)
  }
}
