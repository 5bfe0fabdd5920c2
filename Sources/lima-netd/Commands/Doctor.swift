// SPDX-License-Identifier: Apache-2.0
//
// doctor: what each mode needs of this host, and what is missing. Looks, and changes nothing.

import ArgumentParser
import Daemon
import Platform

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check what networks need of this host, and say what to do about what is missing.",
    discussion: """
      A line for each thing: ok, warning or problem, with a command below it that mends it. Nothing is changed and no \
      password asked. Without a mode all of them are looked at.

        lima-netd doctor
        lima-netd doctor shared
        lima-netd doctor --json \\
          | jq -r '.[] | select(.status == "problem") | .remedy'

      The status is 0 when nothing that a mode needs is a problem: the named modes, else those that networks of \
      networks.yaml have. docs/doctor.md describes the members of --json.
      """)

  @Argument(
    help: "slirp, user-v2, shared, host or bridged.",
    completion: .list(["slirp", "user-v2", "shared", "host", "bridged"]))
  var modes: [String] = []
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    for mode in modes where !DoctorModes.all.contains(mode) {
      let nearest = Identifier.nearest(to: mode, among: DoctorModes.all)
      throw ValidationError(
        "no mode \(mode): "
          + (nearest.map { "did you mean \($0)?" }
            ?? Plural.there(DoctorModes.all)))
    }
  }

  func run() throws {
    let diagnosis = Diagnosis(try HostProbe(home: place()).facts())
    let shown = Set(modes.isEmpty ? DoctorModes.all : modes)
    let counted = modes.isEmpty ? diagnosis.configuredModes : shown
    let findings = diagnosis.findings(for: modes).compactMap { $0.about(shown) }
    try listing.show(findings) { DoctorText.text(findings, counted: counted) }
    guard Finding.allWell(findings, for: counted) else { throw ExitCode.failure }
  }

  /// Also a home that is too long: that is told.
  private func place() throws -> LimaHome {
    do {
      return try home.resolveServed()
    } catch let error as CommandFailure {
      guard
        let place = LimaHome(
          explicit: home.path, environment: CurrentProcess.environment,
          workingDirectory: CurrentProcess.workingDirectory)
      else { throw error }
      return place
    }
  }
}
