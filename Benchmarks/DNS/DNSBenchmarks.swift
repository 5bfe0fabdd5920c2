// SPDX-License-Identifier: Apache-2.0
//
// What one DNS message costs: nanoseconds of CPU and allocations, best of several rounds.
//
//   swift run -c release DNSBenchmarks [NAME...]

import CAllocations
import DNSMessage
import LibC
import Host

/// Nanoseconds of CPU this thread has used.
private func cpuTime() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Keeps the compiler from removing code whose result is not used.
@inline(never)
private func use<Value>(_ value: Value) {}

private func measure(_ name: String, _ body: () -> Void) {
  let wanted = CommandLine.arguments.dropFirst()
  guard wanted.isEmpty || wanted.contains(name) else { return }
  let turns = 20_000
  var best = UInt64.max
  var allocations: UInt64 = 0
  for _ in 0..<7 {
    let before = allocations_so_far()
    let start = cpuTime()
    for _ in 0..<turns { body() }
    best = min(best, cpuTime() - start)
    allocations = allocations_so_far() - before
  }
  let nanoseconds = Double(best) / Double(turns)
  let perMessage = Double(allocations) / Double(turns)
  func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
  let rounded = (perMessage * 100).rounded() / 100
  print(
    name + String(repeating: " ", count: max(1, 18 - name.count))
      + padded("\(Int(nanoseconds.rounded())) ns", 10)
      + padded("\(Int(1e9 / max(nanoseconds, 1))) messages/s", 22)
      + padded("\(rounded) allocations", 20))
}

private func message(_ name: String, addresses: Int) -> DNSMessage {
  let owner = DNSName(name) ?? .root
  var header = DNSHeader(id: 1)
  header.isResponse = true
  header.recursionDesired = true
  header.recursionAvailable = true
  return DNSMessage(
    header: header, questions: [DNSQuestion(name: owner, type: .a)],
    answers: (0..<addresses).map {
      DNSRecord(name: owner, ttl: 300, data: .address(.v4(UInt32($0))))
    }, edns: DNSEDNS(udpSize: 1232))
}

/// Asks a broker and gives its plugin's answer; what the client gets.
private func exchange(_ broker: DNSBroker, _ query: [UInt8], _ answer: [UInt8]) {
  _ = broker.query(query, over: .udp, now: 1_000_000_000)
  while let effect = broker.nextEffect() {
    guard case .ask(let lookup, let asked, _, _) = effect else {
      use(effect)
      continue
    }
    var answer = answer
    answer[0] = asked[0]
    answer[1] = asked[1]
    broker.complete(lookup, answer: answer, now: 1_000_000_000)
  }
}

@main
enum DNSBenchmarks {
  static func main() {
    let one = message("www.example.com", addresses: 1)
    let many = message("www.example.com", addresses: 30)
    let oneBytes = one.encoded()
    let manyBytes = many.encoded()
    var query = one
    query.header.isResponse = false
    query.answers = []
    let queryBytes = query.encoded()

    measure("survey-query") { use(try? DNSSurvey(queryBytes)) }
    measure("survey-1") { use(try? DNSSurvey(oneBytes)) }
    measure("survey-30") { use(try? DNSSurvey(manyBytes)) }
    measure("parse-query") { use(try? DNSMessage(parsing: queryBytes)) }
    measure("parse-1") { use(try? DNSMessage(parsing: oneBytes)) }
    measure("parse-30") { use(try? DNSMessage(parsing: manyBytes)) }
    measure("build-query") { use(query.encoded()) }
    measure("build-1") { use(one.encoded()) }
    measure("build-30") { use(many.encoded()) }

    let broker = DNSBroker()
    exchange(broker, queryBytes, oneBytes)
    measure("broker-cached") { exchange(broker, queryBytes, oneBytes) }
    var limits = DNSBroker.Limits()
    limits.cacheEntries = 0
    let forgetful = DNSBroker(limits: limits)
    measure("broker-asked") { exchange(forgetful, queryBytes, oneBytes) }
  }
}
