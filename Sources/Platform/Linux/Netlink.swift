// SPDX-License-Identifier: Apache-2.0
//
// Netlink: a netlink socket with one request at a time; waits for its acknowledgement. It acts on the network
// namespace in which it was opened. Blocks: for `exec` and `attach`, not for an event loop. The kernel explains most
// refusals (NETLINK_EXT_ACK); that text becomes part of the error.

#if os(Linux)

  import CPlatform
  import LibC

  package struct Netlink: ~Copyable {
    private let fd: Int32
    private var sequence: UInt32 = 0

    /// - Parameter family: default NETLINK_ROUTE.
    /// - Throws: `SystemError` of socket(2).
    package init(family: Int32 = 0) throws(SystemError) {
      fd = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), family)
      guard fd >= 0 else {
        throw SystemError("socket", .current, subject: "netlink family \(family)")
      }
      // Makes the kernel explain refusals (Linux 4.12).
      _ = Self.enable(fd, option: 11)  // NETLINK_EXT_ACK
      // Refusals need not repeat the request.
      _ = Self.enable(fd, option: 10)  // NETLINK_CAP_ACK
    }

    deinit {
      close(fd)
    }

    private static func enable(_ fd: Int32, option: Int32) -> Bool {
      var on: Int32 = 1
      return setsockopt(fd, 270, option, &on, socklen_t(MemoryLayout<Int32>.size)) == 0
    }

    package mutating func nextSequence() -> UInt32 {
      sequence &+= 1
      return sequence
    }

    /// Sends `message` and waits for the kernel's acknowledgement.
    /// - Parameters:
    ///   - call: what the request does, for the error: "RTM_NEWADDR".
    ///   - subject: what it acts on: "192.168.5.15/24 on eth0".
    /// - Returns: the payloads of the answers before the acknowledgement, each without its header.
    @discardableResult
    package mutating func request(
      _ message: NetlinkMessage, call: String, subject: String
    ) throws(SystemError) -> [ArraySlice<UInt8>] {
      var answers: [ArraySlice<UInt8>] = []
      try request(message, call: call, subject: subject) { answers.append($0) }
      return answers
    }

    /// The same for answers of any number: each is borrowed by `take`.
    package mutating func request(
      _ message: NetlinkMessage, call: String, subject: String, take: (ArraySlice<UInt8>) -> Void
    ) throws(SystemError) {
      let sent = message.bytes.withUnsafeBytes { send(fd, $0.baseAddress, $0.count, 0) }
      guard sent == message.bytes.count else {
        throw SystemError(call, .current, subject: subject)
      }
      while true {
        let received = try receive(call: call, subject: subject)
        var rest = received[...]
        while rest.count >= NetlinkMessage.headerLength {
          let reader = NetlinkReader(rest)
          let length = Int(reader.integer(at: 0, as: UInt32.self) ?? 0)
          guard length >= NetlinkMessage.headerLength, length <= rest.count else { break }
          let body = rest[
            (rest.startIndex + NetlinkMessage.headerLength)..<(rest.startIndex + length)]
          let kind = reader.integer(at: 4, as: UInt16.self)
          if reader.integer(at: 8, as: UInt32.self) == sequence {
            switch kind {
            case 2:  // NLMSG_ERROR, also with 0 for "done"
              try Self.check(
                body, flags: reader.integer(at: 6, as: UInt16.self) ?? 0, call, subject)
              return
            case 3:  // NLMSG_DONE, with the dump's own verdict
              let code = NetlinkReader(body).integer(at: 0, as: Int32.self) ?? 0
              if code < 0 { throw SystemError(call, Errno(0 &- code), subject: subject) }
              return
            default:
              take(body)
            }
          }
          rest = rest.dropFirst((length + 3) & ~3)
        }
      }
    }

    private func receive(call: String, subject: String) throws(SystemError) -> [UInt8] {
      while true {
        let bytes = [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
          count = max(0, recv(fd, buffer.baseAddress, buffer.count, 0))
        }
        if !bytes.isEmpty { return bytes }
        guard errno == EINTR else {
          throw SystemError(call, .current, subject: subject)
        }
      }
    }

    private static func check(
      _ body: ArraySlice<UInt8>, flags: UInt16, _ call: String, _ subject: String
    ) throws(SystemError) {
      let reader = NetlinkReader(body)
      let code = reader.integer(at: 0, as: Int32.self) ?? -EPROTO
      guard code != 0 else { return }
      var explained = subject
      // NLM_F_ACK_TLVS: attributes follow the (capped) header of the request.
      if flags & 0x200 != 0 {
        let offset = flags & 0x100 != 0 ? 20 : 4 + Int(reader.integer(at: 4, as: UInt32.self) ?? 16)
        for attribute in reader.attributes(from: offset) where attribute.type == 1 {
          let text = String(decoding: attribute.payload.prefix { $0 != 0 }, as: UTF8.self)
          explained += " (kernel: \(text))"
        }
      }
      throw SystemError(call, Errno(0 &- code), subject: explained)
    }
  }

#endif
