// SPDX-License-Identifier: Apache-2.0
//
// Forwards of a network. The supervisor keeps the list, so that they are there again after a crash or a stop; the
// plugin listens while the network runs. What cannot be at present is in Network+ForwardRetry.swift.

import HostProtocol
import Platform

extension Network {
  typealias ForwardAnswer = (Result<Void, ErrorReport>) -> Void

  static let maximumForwards = 4096

  /// Starts the network if need be, so that an address that is taken is an answer and not a surprise later. The answer
  /// has the port that was chosen where port 0 was asked for.
  func addForward(
    _ asked: Forward, answer: @escaping (Result<Forward, ErrorReport>) -> Void
  ) {
    let forward = asked.canonical
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: true) } catch {
      return answer(.failure(error))
    }
    if let taken = whyTaken(forward) { return answer(.failure(taken)) }
    whenRunning { [weak self] result in
      switch result {
      case .failure(let error):
        answer(.failure(error))
      case .success(let link):
        guard let self else { return }
        guard forward.guestName.isEmpty || isIsolated else {
          return answer(
            .failure(
              ErrorReport(
                code: HostError.Code.invalidConfig.rawValue,
                message:
                  "network \(name): its guests have addresses of their own: leave the name of the guest out"
              )))
        }
        expose(spec, on: link) { [weak self] reply in
          guard let self else { return }
          switch reply {
          case .success:
            var kept = forward
            kept.connections = nil
            kept.state = nil
            kept.reason = nil
            kept.error = nil
            self.findPort(kept, link) { answer(.success(self.shown(self.keep($0)))) }
          case .failure(let error):
            answer(.failure(self.report(error)))
          }
        }
      }
    }
  }

  /// Why there cannot be another forward like this beside those that are open; nil: there can.
  func whyTaken(_ forward: Forward) -> ErrorReport? {
    if let known = forwards.first(where: { $0.isSame(as: forward) }) {
      let owner = forwardOwners[ExposedKey(known)].map { " (for \($0))" } ?? ""
      return ErrorReport(
        code: HostError.Code.exists.rawValue,
        message:
          "network \(name) forwards \(forward.protocol) \(forward.host) already, to "
          + "\(known.guest ?? "")\(owner): remove that forward first")
    }
    guard forwards.count >= Self.maximumForwards else { return nil }
    return ErrorReport(
      code: HostError.Code.limit.rawValue,
      message: "network \(name) has \(Plural.text(forwards.count, "forward")) already")
  }

  private func keep(_ forward: Forward) -> Forward {
    if !forwards.contains(where: { $0.isSame(as: forward) }) { forwards.append(forward) }
    log(.info, "forwards \(forward.protocol) \(forward.host) to \(forward.guest ?? "")")
    forwardsChanged()
    return forward
  }

  /// There is one more: whether its guest is there follows from the leases.
  func forwardsChanged() {
    if leaseTimer == nil, followsLeases { watchLeases() }
  }

  /// Port 0 stands for one of the system's choice: it is kept, listed and taken back by that one.
  private func findPort(
    _ forward: Forward, _ link: HostLink, _ then: @escaping (Forward) -> Void
  ) {
    guard let address = forward.addressOfPortZero else { return then(forward) }
    link.list(.listForwards, of: Forward.self) { [weak self] reply in
      var found = forward
      if let self, case .success(let live) = reply {
        let new = live.last { candidate in
          candidate.protocol == forward.protocol && candidate.host.hasPrefix(address)
            && candidate.guest == forward.guest && candidate.guestName == forward.guestName
            && !self.forwards.contains { $0.isSame(as: candidate) }
        }
        if let new { found.host = new.host }
      }
      then(found)
    }
  }

  func removeForward(_ asked: Forward, answer: @escaping ForwardAnswer) {
    let forward = asked.canonical
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: false) } catch {
      return answer(.failure(error))
    }
    guard let index = forwards.firstIndex(where: { $0.isSame(as: forward) }) else {
      // One that waits is taken back as well.
      if waitingForwards.contains(where: { $0.forward.isSame(as: forward) }) {
        waitingForwards.removeAll { $0.forward.isSame(as: forward) }
        return answer(.success(()))
      }
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.notFound.rawValue,
            message: "network \(name) has no forward \(forward.protocol) \(forward.host)")))
    }
    forwards.remove(at: index)
    forwardOwners[ExposedKey(forward)] = nil
    log(.info, "no longer forwards \(forward.protocol) \(forward.host)")
    if spec.protocol == .unix { unixListeners.close(spec.host) }
    guard state == .running, let link else { return answer(.success(())) }
    link.request(.unexpose(spec)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success: answer(.success(()))
      case .failure(let error): answer(.failure(report(error)))
      }
      // Somebody may have waited for the address.
      forwardRetry.soon()
    }
  }

  /// The list, with the plugin's counts while the network runs.
  func listForwards(answer: @escaping ([Forward]) -> Void) {
    guard state == .running, let link else { return answer(listedForwards) }
    link.list(.listForwards, of: Forward.self) { [weak self] reply in
      guard let self else { return }
      var result = listedForwards
      if case .success(let live) = reply {
        let counts = Dictionary(live.lazy.map { (ExposedKey($0), $0.connections) }) { one, _ in one
        }
        for index in result.indices where result[index].error == nil {
          result[index].connections = counts[ExposedKey(result[index])] ?? nil
        }
      }
      answer(result)
    }
  }

  /// Gives a new process the forwards of the one before, and has it try those that wait.
  func replayForwards(to link: HostLink) {
    forwardsTried = []
    for forward in forwards {
      guard let spec = try? forward.spec(needsGuest: true) else { continue }
      let key = ExposedKey(forward)
      expose(spec, on: link) { [weak self] reply in
        guard let self, !link.hasEnded else { return }
        switch reply {
        case .success:
          guard let index = forwards.firstIndex(where: { ExposedKey($0) == key }) else { return }
          forwards[index].error = nil
          forwards[index].state = nil
        case .failure(let error):
          forwardFailed(key, error)
        }
      }
    }
    if !waitingForwards.isEmpty { retryForwards(anew: true) }
  }

  func report(_ error: HostError) -> ErrorReport {
    ErrorReport(code: error.code.rawValue, message: "network \(name): \(error)")
  }
}

extension Forward {
  /// With the host's address as it is listed, however it was written: an address has many spellings, and two of one port
  /// are the same forward. What is no address stays as it is; the plugin says what is wrong with it.
  var canonical: Forward {
    guard self.protocol != ForwardSpec.Transport.unix.rawValue, let colon = host.lastIndex(of: ":"),
      let port = UInt16(host[host.index(after: colon)...])
    else { return self }
    var text = host[..<colon]
    let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
    if isBracketed { text = text.dropFirst().dropLast() }
    guard text.contains(":") == isBracketed, let address = ForwardIP(String(text)) else {
      return self
    }
    var result = self
    result.host = address.with(port: Int(port))
    return result
  }

  /// The same listening address.
  func isSame(as other: Forward) -> Bool {
    self.protocol == other.protocol && host == other.host
  }

  /// To the same end, in the same way.
  func leads(as other: Forward) -> Bool {
    guest == other.guest && guestName == other.guestName && source == other.source
  }

  /// "127.0.0.1:" of "127.0.0.1:0"; nil for other ports.
  var addressOfPortZero: String? {
    guard self.protocol != ForwardSpec.Transport.unix.rawValue, let colon = host.lastIndex(of: ":")
    else { return nil }
    let port = host[host.index(after: colon)...]
    return !port.isEmpty && port.allSatisfy { $0 == "0" } ? String(host[...colon]) : nil
  }

  func spec(needsGuest: Bool) throws(ErrorReport) -> ForwardSpec {
    func wrong(_ text: String) -> ErrorReport {
      ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
    }
    guard let transport = ForwardSpec.Transport(rawValue: self.protocol) else {
      throw wrong("`\(self.protocol)` cannot be forwarded: there are tcp, udp and unix")
    }
    guard !host.isEmpty, host.utf8.count < 256 else {
      throw wrong("a forward needs the host's address")
    }
    for text in [host, guest ?? "", guestName] where text.utf8.contains(0) {
      throw wrong("`\(text.filter { $0 != "\0" })` has a NUL in it: no path, address or name has")
    }
    if transport == .unix, !host.hasPrefix("/") {
      throw wrong("`\(host)` is no absolute path: a unix forward needs one")
    }
    if needsGuest, guest?.isEmpty ?? true {
      throw wrong("a forward needs the guest's address, as 192.168.5.15:80")
    }
    var from: ForwardSpec.Source?
    if let source {
      from = ForwardSpec.Source(rawValue: source)
      guard from != nil else {
        throw wrong("`\(source)` is no source of a forward: there are client and gateway")
      }
    }
    return ForwardSpec(
      protocol: transport, host: host, guest: guest,
      guestName: guestName.isEmpty ? nil : guestName, source: from)
  }
}
