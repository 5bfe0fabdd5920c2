// SPDX-License-Identifier: Apache-2.0
//
// Forwards of a network. The supervisor keeps the list, so that they are there again after a crash or a stop; the
// plugin listens while the network runs.

import HostProtocol

extension Network {
  typealias ForwardAnswer = (Result<Void, ErrorReport>) -> Void

  static let maximumForwards = 4096

  /// Starts the network if need be, so that an address that is taken is an answer and not a surprise later.
  func addForward(_ forward: Forward, answer: @escaping ForwardAnswer) {
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: true) } catch {
      return answer(.failure(error))
    }
    if forwards.contains(where: { $0.isSame(as: forward) }) {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.exists.rawValue,
            message:
              "network \(name) forwards \(forward.protocol) \(forward.host) already: remove that forward first"
          )))
    }
    guard forwards.count < Self.maximumForwards else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.limit.rawValue,
            message: "network \(name) has \(Plural.text(forwards.count, "forward")) already")))
    }
    whenRunning { [weak self] result in
      switch result {
      case .failure(let error):
        answer(.failure(error))
      case .success(let link):
        link.request(.expose(spec)) { reply in
          guard let self else { return }
          switch reply {
          case .success:
            var kept = forward
            kept.connections = nil
            kept.error = nil
            if !self.forwards.contains(where: { $0.isSame(as: kept) }) {
              self.forwards.append(kept)
            }
            self.log(.info, "forwards \(kept.protocol) \(kept.host) to \(kept.guest ?? "")")
            answer(.success(()))
          case .failure(let error):
            answer(.failure(self.report(error)))
          }
        }
      }
    }
  }

  func removeForward(_ forward: Forward, answer: @escaping ForwardAnswer) {
    let spec: ForwardSpec
    do throws(ErrorReport) { spec = try forward.spec(needsGuest: false) } catch {
      return answer(.failure(error))
    }
    guard let index = forwards.firstIndex(where: { $0.isSame(as: forward) }) else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.notFound.rawValue,
            message: "network \(name) has no forward \(forward.protocol) \(forward.host)")))
    }
    forwards.remove(at: index)
    log(.info, "no longer forwards \(forward.protocol) \(forward.host)")
    guard state == .running, let link else { return answer(.success(())) }
    link.request(.unexpose(spec)) { [weak self] reply in
      guard let self else { return }
      switch reply {
      case .success: answer(.success(()))
      case .failure(let error): answer(.failure(report(error)))
      }
    }
  }

  /// The list, with the plugin's counts while the network runs.
  func listForwards(answer: @escaping ([Forward]) -> Void) {
    guard state == .running, let link else { return answer(forwards) }
    link.request(.listForwards) { [weak self] reply in
      guard let self else { return }
      var result = forwards
      if case .success(.json(let text)) = reply,
        let live = try? JSONText.decode([Forward].self, from: text)
      {
        for index in result.indices {
          result[index].connections = live.first { $0.isSame(as: result[index]) }?.connections
        }
      }
      answer(result)
    }
  }

  /// Gives a new process the forwards of the one before.
  func replayForwards(to link: HostLink) {
    for forward in forwards {
      guard let spec = try? forward.spec(needsGuest: true) else { continue }
      link.request(.expose(spec)) { [weak self] reply in
        guard let self, !link.hasEnded,
          let index = forwards.firstIndex(where: { $0.isSame(as: forward) })
        else { return }
        switch reply {
        case .success:
          forwards[index].error = nil
        case .failure(let error):
          forwards[index].error = error.message
          log(
            .error,
            "the forward \(forward.protocol) \(forward.host) does not work any more: \(error)")
        }
      }
    }
  }

  func report(_ error: HostError) -> ErrorReport {
    ErrorReport(code: error.code.rawValue, message: "network \(name): \(error)")
  }
}

extension Forward {
  /// The same listening address.
  func isSame(as other: Forward) -> Bool {
    self.protocol == other.protocol && host == other.host
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
