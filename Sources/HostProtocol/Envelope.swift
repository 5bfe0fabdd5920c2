// SPDX-License-Identifier: Apache-2.0
//
// The messages on a control channel as JSON. The supervisor encodes `Envelope<HostRequest>` and decodes
// `HostMessage`; the network process the reverse.

import JSONCoding

package struct Envelope<Body: Codable & Sendable>: Codable, Sendable {
  /// From 1; a reply has the id of its request.
  package var id: UInt64
  package var body: Body

  package init(id: UInt64, body: Body) {
    self.id = id
    self.body = body
  }
}

/// A message from a network process.
package enum HostMessage: Codable, Hashable, Sendable {
  case reply(id: UInt64, HostReply)
  case event(HostEvent)
}

package enum HostCodec {
  package static func encode(_ request: HostRequest, id: UInt64) throws -> [UInt8] {
    try JSONCoder.encode(Envelope(id: id, body: request))
  }

  package static func decodeRequest(_ bytes: [UInt8]) throws -> Envelope<HostRequest> {
    try JSONCoder.decode(Envelope<HostRequest>.self, from: bytes)
  }

  package static func encode(_ message: HostMessage) throws -> [UInt8] {
    try JSONCoder.encode(message)
  }

  package static func decodeMessage(_ bytes: [UInt8]) throws -> HostMessage {
    try JSONCoder.decode(HostMessage.self, from: bytes)
  }
}

/// The journal: memory shared by the supervisor and the network process, in which stream ports record their frame
/// boundaries, so that links outlive the process.
package enum JournalLayout {
  package static let slots = 1024
  /// Bytes of a slot; the network process's ports define its contents.
  package static let slotSize = 64
  /// Behind them: DNS questions in progress (Host's QuestionJournal).
  package static let questions = slots * slotSize
  package static let questionSlots = 256
  package static let questionSlotSize = 1024
  package static let size = questions + questionSlots * questionSlotSize
}

extension HostCodec {
  /// The id of a request that cannot be decoded otherwise.
  package static func requestID(_ bytes: [UInt8]) -> UInt64? {
    (try? JSONValue(parsing: bytes))?["id"]?.integer()
  }
}
