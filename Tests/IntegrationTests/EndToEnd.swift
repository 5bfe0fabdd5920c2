// SPDX-License-Identifier: Apache-2.0

import Testing

/// The built programs at work. One test at a time: they measure time, and each has the
/// machine's processors for itself. The limit is for each test and tells which one hangs.
@Suite(.serialized, .timeLimit(.minutes(15))) enum EndToEnd {}
