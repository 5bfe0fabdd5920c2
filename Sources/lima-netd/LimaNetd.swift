// SPDX-License-Identifier: Apache-2.0
@main
struct LimaNetd {
  static func main() {}
}
