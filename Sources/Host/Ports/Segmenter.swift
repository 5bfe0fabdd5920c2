// SPDX-License-Identifier: Apache-2.0
import PluginAPI

enum Segmenter {
  /// Bytes of headers a super-frame may have.
  static let headerMax = 256
}
