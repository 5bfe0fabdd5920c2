// SPDX-License-Identifier: Apache-2.0
//
// The text of ConfigProblem: the error and its remedy.

extension ConfigProblem {
  /// "FILE:LINE:COLUMN: networks.lab.gateway: error: remedy"
  package func text(file: String) -> String {
    var place = file
    if let mark { place += ":\(mark.line):\(mark.column)" }
    let key = path.isEmpty ? "" : path.joined(separator: ".") + ": "
    return "\(place): \(key)\(sentence)"
  }

  package var sentence: String {
    switch kind {
    case .unreadable(let reason):
      return "cannot be read: \(reason)"
    case .yaml(let problem):
      return Self.sentence(problem)
    case .unknownKey(let nearest, let known):
      let remedy =
        nearest.map { "did you mean `\($0)`?" }
        ?? "known here: \(known.joined(separator: ", "))"
      return "unknown key: \(remedy)"
    case .aliasCircle(let names):
      return
        "leads back to itself (\(names.joined(separator: ", "))): whoever asks for it gets SERVFAIL; one of "
        + "these names needs an address"
    case .wrongType(let expected, let found):
      return "must be \(expected), not \(found)"
    case .missingMode:
      return "has no mode: add `mode:` with the mode of a plugin (`lima-netd plugin ls` lists them)"
    case .identifier(let text):
      return
        "`\(text)` cannot be a name: use letters and digits, with single `.`, `_` or `-` between "
        + "them, at most \(Identifier.maximumLength) characters"
    case .reservedName(let text):
      return "`\(text)` is the name of a file of lima-netd itself: choose another"
    case .interfaceName(let text):
      return "`\(text)` is no interface name: 1 to 15 characters without spaces and slashes"
    case .relativePath(let text):
      return "`\(text)` is not an absolute path: write it from / or ~/ on"
    case .notIPv4(let text):
      return "`\(text)` is no IPv4 address: write four numbers, as 192.168.105.1"
    case .notUnicast(let address):
      return
        "\(address) is no address a gateway can have: choose one of a private network, as 192.168.105.1"
    case .netmaskNotContiguous(let mask):
      return "\(mask) is no netmask: its ones must come first, as in 255.255.255.0"
    case .netmaskSize(let length):
      return length > 30
        ? "/\(length) has no room for a gateway and guests: 255.255.255.252 is the smallest network"
        : "/\(length) is too wide: 255.0.0.0 is the widest network"
    case .needsGateway:
      return "says nothing without a gateway: add `gateway:` to this network"
    case .gatewayIsNetwork(let subnet):
      return
        "is the address of the network \(subnet) itself: take one inside, as \(subnet.firstHost)"
    case .gatewayIsBroadcast(let subnet):
      return "is the broadcast address of \(subnet): take one inside, as \(subnet.firstHost)"
    case .dhcpEndOutside(let subnet):
      return "is not inside \(subnet): the last address it has for guests is \(subnet.lastHost)"
    case .dhcpEndBeforeGateway(let gateway):
      return
        "leaves no address: guests get those after the gateway \(gateway), up to this one: choose a higher one"
    case .overlap(let own, let other, let otherSubnet, let mark):
      let place = mark.map { " (line \($0.line))" } ?? " (built in)"
      return
        "\(own) overlaps \(otherSubnet) of network `\(other)`\(place): give one of them another subnet"
    case .overlap6(let own, let other, let mark):
      let place = mark.map { " (line \($0.line))" } ?? ""
      return
        "\(own) is the IPv6 network of `\(other)`\(place), too: give one of them another prefix6"
    case .hostName(let text):
      return text.contains("*")
        ? "`\(text)` is no domain name: `*` stands for names as the whole first label only, `*.dev.internal`"
        : "`\(text)` is no domain name: labels have 1 to 63 characters and no blanks, a name 253 at most"
    case .noGroup(let name):
      return
        "there is no group `\(name)` on this host: what `lima-netd sudoers` writes for it lets nobody in"
    case .hostTarget(let text):
      return
        "`\(text)` is neither an address nor a domain name: write 192.0.2.1, fd00::1 or the other name"
    case .hostAddress(let text):
      return "`\(text)` is no address: of several, each has to be one; an alias stands alone"
    case .option(let text, let plugin):
      return "\(text) (plugin \(plugin))"
    case .twice(let key, let other):
      return "stands below `\(other)`, too: keep one `\(key)`"
    case .besidePlugins(let key):
      return
        "cannot stand beside `plugins`: write it in the list, as {plugin: NAME, options: {...}}"
        + (key == "plugin" ? "" : ", since \(key) are of one plugin")
    case .besideSocket:
      return
        "has no effect beside `socket`: addresses, names and router are those of the daemon behind it"
    case .obsoleteKey:
      return "is no longer used by Lima and ignored: it can be deleted"
    case .strict(let reason):
      return "strict cannot be had: \(reason)"
    case .unknownUser(let text):
      return
        "this machine has no user `\(text)`: as root, useradd --system \(text), or name another (getent passwd lists them)"
    case .userWithoutRoot(let name):
      return
        "has no effect: only root's daemon on Linux can run a network's process as \(name); the network runs without it"
    }
  }

  static func sentence(_ problem: YAMLError.Problem) -> String {
    switch problem {
    case .tooLarge(let bytes, let limit):
      return "is too large: \(bytes) bytes, at most \(limit)"
    case .tooDeep(let limit):
      return "is nested too deeply: at most \(limit) levels"
    case .tooManyNodes(let limit):
      return "has too many values: at most \(limit), aliases counted as often as they are used"
    case .syntax(let problem, let context):
      var text = "is not valid YAML: \(problem)"
      if let context { text += " (\(context))" }
      if problem.contains("found character that cannot start any token") {
        text += ": indent with spaces, not tabs, and quote values that begin with @ or `"
      } else if problem.contains("mapping values are not allowed") {
        text += ": check the indentation, or quote a value that contains `: `"
      } else if problem.contains("UTF-8") || problem.contains("surrogate") {
        text += ": save the file as UTF-8"
      } else if problem.contains("control characters are not allowed") {
        text +=
          ": there is a character here that editors do not show; delete it, or save the file as UTF-8"
      }
      return text
    case .duplicateKey(let key, let first):
      return "`\(key)` is there twice, first at line \(first.line): delete one of them"
    case .complexKey:
      return "a key must be a single word, not a list or mapping"
    case .undefinedAlias(let name):
      return "the alias *\(name) stands for nothing: an anchor &\(name) must come before it"
    case .severalDocuments:
      return "a second document begins here: delete the `---` and what follows it, or merge the two"
    case .tag(let tag):
      return "the tag \(tag) means nothing here: delete it"
    case .encoding:
      return "looks like UTF-16 without a byte order mark: save it as UTF-8"
    case .outOfMemory:
      return "could not be read: out of memory"
    }
  }
}

extension IPv4Subnet {
  var firstHost: IPv4Address { IPv4Address(network.value | 1) }
  var lastHost: IPv4Address { IPv4Address(broadcast.value & ~1) }
}
