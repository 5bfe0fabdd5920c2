// SPDX-License-Identifier: Apache-2.0
import DNSMessage

extension NameTable {
  /// Seconds: short, since guests come and go.
  static let timeToLive: UInt32 = 5

  /// The records that answer a question about an owned name or the reverse name
  /// of a published address: empty for NODATA (RFC 2308 2.2), nil when neither
  /// is ours and somebody else must be asked.
  ///
  /// Only the very name is owned, nothing above or below it. Every type and
  /// class of it is: none of it may leak to an upstream server.
  package func records(for question: DNSQuestion) -> [DNSRecord]? {
    if let owned = addresses(of: question.name) {
      return records(owned.map { .address($0) }, for: question)
    }
    if count > 0, let address = question.name.reverseAddress, let names = names(of: address) {
      return records(names.map { .name(.ptr, $0) }, for: question)
    }
    return nil
  }

  private func records(_ data: [DNSRecordData], for question: DNSQuestion) -> [DNSRecord] {
    guard question.dnsClass == .internet || question.dnsClass == .any else { return [] }
    return
      data
      .filter { question.type == .any || $0.type == question.type }
      .map { DNSRecord(name: question.name, ttl: Self.timeToLive, data: $0) }
  }
}
