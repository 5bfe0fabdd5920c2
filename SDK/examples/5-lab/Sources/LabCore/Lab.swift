// SPDX-License-Identifier: Apache-2.0
//
// A network of guests without an uplink, in Swift: DHCP and names for all guests.
//
//     guests ── the host's switch ── this plugin: one port, on which it is the gateway
//
// Frames between guests stay in the switch; this plugin gets those for the gateway, and broadcasts. It therefore learns of
// its guests by limanetd.guests/1, binds their addresses by guard/1, which the switch enforces, and publishes names by
// names/1. A protocol that the class conforms to is an extension that the plugin offers; a type whose name begins with Host
// is an extension of the host, nil if the host does not have it.
//
// All methods are called on the network's thread, and none may block. Two instances may exist in one process, so there is
// no state outside of them.

import LimaNetdSDK
import PluginAPI

public final class Lab: NetworkPlugin, GuestsExtension, LeaseExtension {
  public static let schema = """
    {"type":"object","additionalProperties":false,"properties":{
    "gateway":{"type":"string","format":"ipv4","default":"10.98.0.1",
    "description":"The address of DHCP and DNS; guests get others of its /24"},
    "domain":{"type":"string","pattern":"^[a-z][a-z0-9-]{0,30}$","default":"lab",
    "description":"What the names of guests end in"}}}
    """

  private struct Guest {
    var name: String
    var stations: [MAC] = []
  }

  /// A guest's DNS question that was passed to the host.
  private struct Question {
    var mac: MAC
    var address: [UInt8]
    var port: Int
  }

  private let packets: Packets
  private let domain: String
  private var pool: Pool
  private var guests: [lnd_port: Guest] = [:]
  private var questions: [lnd_op: Question] = [:]
  private var port: lnd_port = 0
  private var (received, sent, lost) = (0, 0, 0)

  // MARK: Life

  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    let gateway = try Self.gateway(config.options)
    packets = Packets(gateway: gateway)
    pool = Pool(gateway: gateway)
    domain = try config.options.string("domain") ?? "lab"
    try super.init(host: host, config: config)
  }

  /// A rule that the schema cannot express. The user reads: networks.NAME.options.gateway: not the address of a host in a
  /// /24.
  private static func gateway(_ options: Options) throws(PluginFailure) -> [UInt8] {
    let text = try options.string("gateway") ?? "10.98.0.1"
    let bytes = text.split(separator: ".").compactMap { UInt8($0) }
    guard bytes.count == 4, (1...254).contains(bytes[3]) else {
      throw .invalid("/gateway", "not the address of a host in a /24")
    }
    return bytes
  }

  public override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) { _ = try gateway(config.options) }

  public override func start() throws(PluginFailure) {
    let mac = Packets.mac
    try HostGuard(host)?.bind(
      text(packets.gateway), to: (mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]), own: true)
    // The switch drops such frames of guests.
    HostGuard(host)?.serve(LND_GUARD_DHCP | LND_GUARD_DHCPV6 | LND_GUARD_ROUTER)
    try HostNames(host)?.publish("gateway.\(domain)", text(packets.gateway))
  }

  /// The only port of a switched network.
  public override func portUp(_ info: PortInfo) throws(PluginFailure) { port = info.port }

  // MARK: Guests

  public func guestUp(_ info: PortInfo) {
    guests[info.port] = Guest(name: info.name)
    if let mac = MAC(bytes(info.mac)) { guests[info.port]?.stations.append(mac) }
  }

  /// Called after `lima-netd guest rename`.
  public func guestChanged(_ info: PortInfo) {
    guard let guest = guests[info.port] else { return }
    for mac in guest.stations { withdraw(mac) }
    guests[info.port]?.name = info.name
    for mac in guest.stations { publish(mac) }
  }

  public func station(
    _ port: lnd_port, _ mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  ) {
    guard let mac = MAC(bytes(mac)), let guest = guests[port], !guest.stations.contains(mac),
      guest.stations.count < Pool.hostsOfOneGuest
    else { return }
    // It may have moved from another port.
    for other in guests.keys { guests[other]?.stations.removeAll { $0 == mac } }
    guests[port]?.stations.append(mac)
    publish(mac)
  }

  public func guestDown(_ port: lnd_port) {
    guard let guest = guests[port] else { return }
    for mac in guest.stations { free(mac) }
    guests[port] = nil
  }

  // MARK: Addresses and names

  /// Nil if no address is left, or the station's guest is unknown or has its maximum.
  private func lease(_ mac: MAC) -> [UInt8]? {
    guard guests.values.contains(where: { $0.stations.contains(mac) }) else { return nil }
    if let address = pool.address(of: mac) { return address }
    guard let address = pool.lease(mac) else { return nil }
    let m = mac.bytes
    do throws(PluginFailure) {
      try HostGuard(host)?.bind(text(address), to: (m[0], m[1], m[2], m[3], m[4], m[5]))
    } catch {
      host.log(.warn, error.text)
    }
    publish(mac)
    return address
  }

  private func free(_ mac: MAC) {
    withdraw(mac)
    if let address = pool.address(of: mac) { HostGuard(host)?.unbind(text(address)) }
    pool.release(mac)
  }

  /// Nil if its guest's name is no valid label of a domain name.
  private func name(of mac: MAC) -> String? {
    guard let name = guests.values.first(where: { $0.stations.contains(mac) })?.name.lowercased(),
      (1...63).contains(name.utf8.count),
      name.utf8.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
    else { return nil }
    return "\(name).\(domain)"
  }

  private func publish(_ mac: MAC) {
    guard let name = name(of: mac), let address = pool.address(of: mac) else { return }
    do throws(PluginFailure) {
      try HostNames(host)?.publish(name, text(address))
    } catch {
      host.log(.warn, error.text)
    }
  }

  private func withdraw(_ mac: MAC) {
    guard let name = name(of: mac), let address = pool.address(of: mac) else { return }
    HostNames(host)?.withdraw(name, text(address))
  }

  // MARK: Frames

  /// Frames are borrowed for the call: they are parsed here, or copied.
  public override func rx(_ port: lnd_port, _ batch: UnsafePointer<lnd_frame>, _ count: Int) {
    received += count
    for frame in UnsafeBufferPointer(start: batch, count: count) {
      let bytes = Array(UnsafeBufferPointer(start: frame.data, count: Int(frame.length)))
      guard let (mac, asked) = packets.read(bytes) else { continue }
      switch asked {
      case .arp(let address): send(packets.arpReply(to: mac, at: address))
      case .ping(let address, let icmp): send(packets.pong(to: mac, at: address, icmp: icmp))
      case .dhcp(let bootp, let options): answerDHCP(bootp, options)
      case .dns(let address, let port, let message):
        ask(message, Question(mac: mac, address: address, port: port))
      }
    }
  }

  private func send(_ frame: [UInt8]) {
    let taken = frame.withUnsafeBufferPointer { bytes in
      var raw = lnd_frame()
      raw.data = bytes.baseAddress
      raw.length = UInt32(bytes.count)
      return host.send(port, &raw, 1)
    }
    // 0: the guest's link is full. Frames that must not be lost would wait for `txReady`.
    if taken == 1 { sent += 1 } else { lost += 1 }
  }

  private func answerDHCP(_ bootp: [UInt8], _ options: [UInt8: [UInt8]]) {
    guard let mac = MAC(bootp[28..<34]), let kind = options[53]?.first else { return }
    // The client chose another server.
    if let server = options[54], server != packets.gateway { return }
    switch kind {
    case 1:
      guard let address = lease(mac) else { return }
      send(packets.dhcpReply(2, to: bootp, address: address, domain: domain))
    case 3:
      let wanted = options[50] ?? Array(bootp[12..<16])
      let address = lease(mac)
      let isRight = address == wanted
      send(
        packets.dhcpReply(
          isRight ? 5 : 6, to: bootp, address: isRight ? address : nil, domain: domain))
    case 7: free(mac)  // RELEASE
    default: return
    }
  }

  // MARK: DNS

  /// The host answers from published names, its cache, or the network's DNS plugin.
  private func ask(_ message: [UInt8], _ question: Question) {
    guard questions.count < 1024, let dns = HostDNS(host) else { return }
    let op = message.withUnsafeBytes { bytes in
      var query = DNSQuery(transport: LND_DNS_UDP, message: bytes, deadline: 0)
      let m = question.mac.bytes
      query.mac = (m[0], m[1], m[2], m[3], m[4], m[5])
      return dns.query(query)
    }
    if op != 0 { questions[op] = question }
  }

  public override func onOpDone(
    _ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    guard let question = questions.removeValue(forKey: op), status == LND_OK else { return }
    send(
      packets.udp(
        from: 53, to: question.mac.bytes, at: question.address, port: question.port, Array(bytes)))
  }

  // MARK: What users see

  /// A guest configured without DHCP, by `lima-netd exec`.
  public func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    guard let mac = MAC(bytes(request.mac)) else {
      throw .invalid(nil, "a guest needs an Ethernet address to have another")
    }
    station(request.port, request.mac)
    guard let address = lease(mac) else {
      throw PluginFailure(LND_ERR_LIMIT, "no address of the /24 is left")
    }
    return [
      "address": .string(text(address)), "prefixLength": 24,
      "dns": [.string(text(packets.gateway))], "mtu": 1500, "search": [.string(domain)],
    ]
  }

  public func release(_ request: LeaseRequest) {
    if let mac = MAC(bytes(request.mac)) { free(mac) }
  }

  public func listLeases() -> JSONValue {
    .array(
      pool.leases.map { mac, address in
        let guest = guests.values.first { $0.stations.contains(mac) }
        return [
          "address": .string(text(address)), "mac": .string(mac.description),
          "name": .string(guest?.name ?? ""), "hostname": "", "state": "bound", "expires": .null,
        ]
      })
  }

  public override func status(_ sink: lnd_sink) {
    host.write(
      sink,
      "{\"guests\":\(guests.count),\"received\":\(received),\"sent\":\(sent),\"lost\":\(lost)}")
  }
}

private func text(_ address: [UInt8]) -> String {
  address.map { String($0) }.joined(separator: ".")
}

private func bytes(_ mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)) -> [UInt8] {
  [mac.0, mac.1, mac.2, mac.3, mac.4, mac.5]
}
