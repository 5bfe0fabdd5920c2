// SPDX-License-Identifier: Apache-2.0
//
// LaunchAgent: the daemon as an agent of macOS's launchd, in the user's domain. Blocks. Not tested: lima-netd has not been
// run on macOS.

import Daemon
import Platform

struct LaunchAgent: ServiceManager {
  static let label = "lima-netd"
  private static let program = "/bin/launchctl"

  private var domain: String { "gui/\(CurrentProcess.effectiveUser)" }
  private var file: String? {
    CurrentProcess.environment["HOME"].map { "\($0)/Library/LaunchAgents/\(Self.label).plist" }
  }

  /// launchd.plist(5). Pure.
  static func text(_ plan: ServicePlan) -> String {
    let words =
      [plan.executable, "serve"] + (plan.isUsualHome ? [] : ["--lima-home", plan.home.path])
    let strings = words.map { "    <string>\(escaped($0))</string>" }.joined(separator: "\n")
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      <dict>
        <key>Label</key>
        <string>\(label)</string>
        <key>ProgramArguments</key>
        <array>
      \(strings)
        </array>
        <key>RunAtLoad</key>
        <true/>
        <key>KeepAlive</key>
        <dict>
          <key>SuccessfulExit</key>
          <false/>
        </dict>
        <key>ProcessType</key>
        <string>Interactive</string>
      </dict>
      </plist>

      """
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
  }

  func install(_ plan: ServicePlan) throws {
    guard let file else { throw CommandFailure("$HOME is not set: launch agents lie below it") }
    _ = try? run(["bootout", "\(domain)/\(Self.label)"])
    try Files.makeDirectory(
      String(file[..<(file.lastIndex(of: "/") ?? file.endIndex)]), mode: 0o755)
    try Files.write(Array(Self.text(plan).utf8), to: file, mode: 0o644, followLinks: true)
    try call(["bootstrap", domain, file])
  }

  func uninstall() throws -> Bool {
    guard let file, Files.exists(file) else { return false }
    _ = try? run(["bootout", "\(domain)/\(Self.label)"])
    Files.remove(file)
    return true
  }

  func stop() throws { try call(["bootout", "\(domain)/\(Self.label)"]) }
  func restart() throws { try call(["kickstart", "-k", "\(domain)/\(Self.label)"]) }

  func report() throws -> ServiceReport {
    let installed = file.map { Files.exists($0) } ?? false
    let shown = try run(["print", "\(domain)/\(Self.label)"])
    let pid = shown.output.split(separator: "\n").lazy
      .compactMap { line -> Int32? in
        let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
        return words.count == 3 && words[0] == "pid" ? Int32(words[2]) : nil
      }.first
    let state: ServiceReport.State =
      pid != nil ? .running : installed || shown.succeeded ? .stopped : .notInstalled
    return ServiceReport(
      manager: "launchd", state: state, enabled: installed, file: installed ? file : nil, pid: pid,
      missingNetworks: [])
  }

  private func run(_ words: [String]) throws -> BoundedCommand.Result {
    try BoundedCommand.run(Self.program, words, seconds: 60)
  }

  private func call(_ words: [String]) throws {
    let result = try run(words)
    guard result.succeeded else {
      throw CommandFailure(
        "launchctl \(words.joined(separator: " ")): \(Paragraph.printable(result.errors))")
    }
  }
}
