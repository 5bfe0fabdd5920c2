// SPDX-License-Identifier: Apache-2.0
//
// PcapFile: reads and writes capture files (draft-ietf-opsawg-pcap): microseconds or nanoseconds, either byte order,
// LINKTYPE_ETHERNET. Lengths are checked; an incomplete last record is ignored.

enum PcapFile {
  struct Frame {
    /// Nanoseconds since 1970.
    var time: UInt64
    var bytes: [UInt8]
  }

  struct Problem: Error {
    var text: String
  }

  /// Maximum bytes of a record: larger than any frame.
  private static let maximumRecord = 262_144

  static func read(_ file: [UInt8]) throws(Problem) -> [Frame] {
    guard file.count >= 24 else {
      throw Problem(text: "it is no pcap file: it has less than a header")
    }
    let scale: UInt64
    let isBig: Bool
    switch (file[0], file[1], file[2], file[3]) {
    case (0xd4, 0xc3, 0xb2, 0xa1): (scale, isBig) = (1000, false)
    case (0x4d, 0x3c, 0xb2, 0xa1): (scale, isBig) = (1, false)
    case (0xa1, 0xb2, 0xc3, 0xd4): (scale, isBig) = (1000, true)
    case (0xa1, 0xb2, 0x3c, 0x4d): (scale, isBig) = (1, true)
    case (0x0a, 0x0d, 0x0d, 0x0a):
      throw Problem(text: "it is a pcapng file; make a pcap of it: tcpdump -r FILE -w FILE.pcap")
    default: throw Problem(text: "it is no pcap file")
    }
    func number(_ at: Int) -> UInt64 {
      let four = file[at..<at + 4]
      return (isBig ? Array(four) : four.reversed()).reduce(0) { $0 << 8 | UInt64($1) }
    }
    let type = number(20) & 0xffff
    guard type == 1 else {
      throw Problem(text: "its frames are no Ethernet frames (link type \(type))")
    }
    var frames: [Frame] = []
    var at = 24
    while at + 16 <= file.count {
      let length = Int(number(at + 8))
      guard length <= maximumRecord, length <= file.count - at - 16 else { break }
      let time = number(at) * 1_000_000_000 + number(at + 4) * scale
      frames.append(Frame(time: time, bytes: Array(file[at + 16..<at + 16 + length])))
      at += 16 + length
    }
    return frames
  }

  /// The file's contents: little-endian, nanoseconds.
  static func write(_ frames: [Frame]) -> [UInt8] {
    var file: [UInt8] = []
    func add(_ value: UInt64, _ bytes: Int = 4) {
      for at in 0..<bytes { file.append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(at)))) }
    }
    add(0xa1b2_3c4d)
    add(2, 2)
    add(4, 2)
    add(0, 8)
    add(UInt64(maximumRecord))
    add(1)
    for frame in frames {
      add(frame.time / 1_000_000_000)
      add(frame.time % 1_000_000_000)
      add(UInt64(frame.bytes.count))
      add(UInt64(frame.bytes.count))
      file += frame.bytes
    }
    return file
  }
}
