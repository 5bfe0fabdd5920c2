// SPDX-License-Identifier: Apache-2.0

import Testing

/// `#expect` for noncopyable values, which the macro cannot capture.
func expect(_ claim: Bool, _ location: SourceLocation = #_sourceLocation) {
  #expect(claim, sourceLocation: location)
}
