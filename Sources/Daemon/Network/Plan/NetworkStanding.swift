// SPDX-License-Identifier: Apache-2.0
//
// NetworkStanding: how far a network has come with another configuration. A value.

/// How far what a network runs with is from what the configuration has.
struct NetworkStanding: Equatable {
  /// Keys that hold from its next start on.
  var waiting: [String] = []
  /// Keys whose new values were refused while it runs.
  var refused: [ReloadReport.Refusal] = []
  /// Why it could not start with the configuration; of a network at rest.
  var error: ErrorReport?

  var isSettled: Bool { waiting.isEmpty && refused.isEmpty }
}
