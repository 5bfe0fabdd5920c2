// SPDX-License-Identifier: Apache-2.0
//
// The extension headers of an IPv6 packet as its destination processes them (RFC 8200 §4). The result is the
// upper-layer header, or why the packet is dropped and which parameter problem its sender gets (RFC 4443 §3.4).
//
// Bounded (RFC 8504 §5.3, RFC 8883): a maximum of headers, and of options in each. Nothing is read beyond the packet.

/// What an extension header chain leads to.
public enum IPv6Chain: Hashable, Sendable, BitwiseCopyable {
  case layer(IPv6Layer)
  case refused(IPv6Refusal)
}

/// The first header that is not an extension header.
public struct IPv6Layer: Hashable, Sendable, BitwiseCopyable {
  public var protocolNumber: UInt8
  /// Bytes from the start of the packet; at most the packet's length.
  public var offset: Int
  /// Where `protocolNumber` is written.
  public var nextHeaderOffset: Int
  /// Set when the packet is a fragment; in a later fragment `offset` is where its data begins.
  public var fragment: IPv6Fragment?
  /// Where the fragment header begins, if there is one.
  public var fragmentOffset: Int

  @inlinable @inline(__always)
  public init(
    protocolNumber: UInt8, offset: Int, nextHeaderOffset: Int, fragment: IPv6Fragment?,
    fragmentOffset: Int
  ) {
    self.protocolNumber = protocolNumber
    self.offset = offset
    self.nextHeaderOffset = nextHeaderOffset
    self.fragment = fragment
    self.fragmentOffset = fragmentOffset
  }
}

/// Why a packet is dropped.
public enum IPv6Refusal: Hashable, Sendable, BitwiseCopyable {
  /// Cut off; no error is sent.
  case malformed
  /// An unknown option whose type demands a silent discard (RFC 8200 §4.2).
  case discarded
  /// A parameter problem (RFC 4443 §3.4): its code, and the byte of the packet that it points to.
  case problem(code: UInt8, pointer: Int)
}

/// Numbers of options and routing headers.
public enum IPv6Option {
  @inlinable public static var pad1: UInt8 { 0 }
  /// The two bits that say how to process an unknown option (RFC 8200 §4.2).
  @inlinable public static var actionMask: UInt8 { 0xc0 }
  @inlinable public static var skip: UInt8 { 0x00 }
  @inlinable public static var discard: UInt8 { 0x40 }
  /// Discard, and send a parameter problem.
  @inlinable public static var report: UInt8 { 0x80 }
  /// Discard, and send a parameter problem unless the destination was a multicast address.
  @inlinable public static var reportUnlessMulticast: UInt8 { 0xc0 }
}

extension IPv6Packet {
  /// Extension headers of one packet, and options of one header, at most.
  @inlinable public static var mostExtensions: Int { 8 }
  @inlinable public static var mostOptions: Int { 32 }

  /// Walks to the transport header. The fast case is a packet without extension headers.
  @inlinable @inline(__always)
  public var chain: IPv6Chain {
    switch nextHeader {
    case IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmpV6:
      return .layer(
        IPv6Layer(
          protocolNumber: nextHeader, offset: IPv6Header.encodedLength,
          nextHeaderOffset: IPv6Field.nextHeader, fragment: nil, fragmentOffset: 0))
    default: return walk()
    }
  }

  /// The same without the fast case.
  public func walk() -> IPv6Chain {
    var layer = IPv6Layer(
      protocolNumber: nextHeader, offset: IPv6Header.encodedLength,
      nextHeaderOffset: IPv6Field.nextHeader, fragment: nil, fragmentOffset: 0)
    for index in 0...IPv6Packet.mostExtensions {
      let rest = bytes.dropFirst(layer.offset)
      let length: Int
      switch layer.protocolNumber {
      case IPProtocol.hopByHop where index > 0:
        // RFC 8200 §4.1
        return .refused(
          .problem(
            code: ICMPv6ParameterProblem.nextHeader, pointer: layer.nextHeaderOffset))
      case IPProtocol.hopByHop, IPProtocol.destinationOptions, IPProtocol.routing,
        IPProtocol.fragment:
        guard index < IPv6Packet.mostExtensions else {
          // RFC 8883 §2.5
          return .refused(
            .problem(code: ICMPv6ParameterProblem.tooManyHeaders, pointer: layer.offset))
        }
        guard rest.count >= IPv6ExtensionField.minimumLength else { return cutOff(layer) }
        if layer.protocolNumber == IPProtocol.fragment {
          guard layer.fragment == nil else { return .refused(.malformed) }
          length = IPv6ExtensionField.minimumLength
          layer.fragmentOffset = layer.offset
          layer.fragment = IPv6Fragment(
            offset: Int(
              rest.uint16(at: IPv6ExtensionField.fragment) & IPv6ExtensionField.fragmentOffsetMask),
            moreFragments: rest[IPv6ExtensionField.fragment &+ 1] & 1 != 0,
            identification: rest.uint32(at: IPv6ExtensionField.identification))
        } else {
          length = (Int(rest[IPv6ExtensionField.length]) &+ 1) &* 8
          guard length <= rest.count else { return cutOff(layer) }
          let refusal =
            layer.protocolNumber == IPProtocol.routing
            ? refusal(ofRouting: rest, at: layer.offset)
            : refusal(ofOptions: rest.slice(at: 0, count: length), at: layer.offset)
          if let refusal { return .refused(refusal) }
        }
      default:
        return whole(layer)
      }
      layer.protocolNumber = rest[IPv6ExtensionField.nextHeader]
      layer.nextHeaderOffset = layer.offset &+ IPv6ExtensionField.nextHeader
      layer.offset &+= length
      // A later fragment continues the payload; no header begins there.
      if let fragment = layer.fragment, fragment.offset > 0 { return .layer(layer) }
    }
    return .refused(.malformed)
  }

  /// The chain ends before its transport header does. A first fragment must hold the whole chain (RFC 7112 §5).
  private func cutOff(_ layer: IPv6Layer) -> IPv6Chain {
    guard let fragment = layer.fragment, fragment.moreFragments else {
      return .refused(.malformed)
    }
    return .refused(.problem(code: ICMPv6ParameterProblem.incompleteChain, pointer: 0))
  }

  private func whole(_ layer: IPv6Layer) -> IPv6Chain {
    guard layer.fragment != nil else { return .layer(layer) }
    let shortest: Int
    switch layer.protocolNumber {
    case IPProtocol.tcp: shortest = TCPHeader.minimumLength
    case IPProtocol.udp: shortest = UDPHeader.encodedLength
    // Type, code and checksum.
    case IPProtocol.icmpV6: shortest = 4
    default: shortest = 0
    }
    return bytes.count &- layer.offset >= shortest ? .layer(layer) : cutOff(layer)
  }

  /// RFC 8200 §4.4: with no segments left a routing header is skipped, whatever its type (type 0 included: RFC 5095
  /// §3).
  private func refusal(ofRouting header: ByteView, at offset: Int) -> IPv6Refusal? {
    guard header[IPv6ExtensionField.segmentsLeft] != 0 else { return nil }
    return .problem(
      code: ICMPv6ParameterProblem.field, pointer: offset &+ IPv6ExtensionField.routingType)
  }

  /// RFC 8200 §4.2: the type of an unknown option says how the packet is processed.
  private func refusal(ofOptions header: ByteView, at offset: Int) -> IPv6Refusal? {
    var at = 2
    var count = 0
    while at < header.count {
      let type = header[at]
      count &+= 1
      guard count <= IPv6Packet.mostOptions else {
        return .problem(code: ICMPv6ParameterProblem.tooManyOptions, pointer: offset &+ at)
      }
      if type == IPv6Option.pad1 {
        at &+= 1
        continue
      }
      guard at &+ 1 < header.count, at &+ 2 &+ Int(header[at &+ 1]) <= header.count else {
        return .problem(code: ICMPv6ParameterProblem.field, pointer: offset &+ at)
      }
      switch type & IPv6Option.actionMask {
      case IPv6Option.skip: break
      case IPv6Option.discard: return .discarded
      case IPv6Option.reportUnlessMulticast where destination.isMulticast: return .discarded
      default:
        return .problem(code: ICMPv6ParameterProblem.option, pointer: offset &+ at)
      }
      at &+= 2 &+ Int(header[at &+ 1])
    }
    return nil
  }
}
