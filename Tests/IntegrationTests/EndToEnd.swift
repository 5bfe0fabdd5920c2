// SPDX-License-Identifier: Apache-2.0

import Testing

/// The built programs at work. One test at a time: they measure time, and each has the
/// machine's processors for itself.
@Suite(.serialized) enum EndToEnd {}
