// SPDX-License-Identifier: Apache-2.0
@main
struct NetworkHost {
  static func main() {}
}
