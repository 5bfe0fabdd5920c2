// SPDX-License-Identifier: Apache-2.0
//
// ListingOptions: `--json`, on every command that shows something.

import ArgumentParser
import Daemon

struct ListingOptions: ParsableArguments {
  @Flag(help: "Print one JSON document instead of a table.")
  var json = false

  /// Prints `value` as JSON if that was asked for, what `text` makes otherwise.
  func show(_ value: some Encodable, text: () -> String) throws {
    StandardOutput.print(json ? try JSONText.string(value, pretty: true) : text())
  }
}
