// SPDX-License-Identifier: Apache-2.0

import Testing

/// `#expect` for values that cannot be copied, which the macro would have to take apart.
func expect(_ claim: Bool, _ location: SourceLocation = #_sourceLocation) {
  #expect(claim, sourceLocation: location)
}
