// SPDX-License-Identifier: Apache-2.0
//
// doctor: reports the requirements of each mode that this host does not meet. Changes nothing.

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
        lima-netd doctor lab
        lima-netd doctor --json \\
          | jq -r '.[] | select(.status == "problem") | .remedy'

      Of a network that is named only what it needs itself is looked at; a word that is both is the mode.

      The status is 0 when nothing that a mode needs is a problem: the named modes, else those that networks of \
      networks.yaml have. docs/doctor.md describes the members of --json.
      """)

  @Argument(
    help: "A mode (slirp, user-v2, shared, host or bridged), or a network.",
    completion: .custom { words, _, _ in DoctorModes.all + NameCompletion.networks(words) })
  var subjects: [String] = []
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    var facts = try HostProbe(home: place()).facts()
    let subject = try DoctorSubject(subjects, facts)
    facts.configuration.networks = subject.networks
    let diagnosis = Diagnosis(facts)
    let counted = subjects.isEmpty ? diagnosis.configuredModes : subject.shown
    let findings = diagnosis.findings(for: subject.modes).compactMap { $0.about(subject.shown) }
    try listing.show(findings) { DoctorText.text(findings, counted: counted) }
    guard Finding.allWell(findings, for: counted) else { throw ExitCode.failure }
  }

  /// The home, even if its path is too long: that is reported.
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
