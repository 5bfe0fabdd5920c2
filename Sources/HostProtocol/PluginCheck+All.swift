// SPDX-License-Identifier: Apache-2.0
//
// All tests, in the order in which they run. An id that was released stays.

extension PluginCheck {
  private static let loads = ["file-loads"]
  private static let described = ["module-descriptor"]
  private static let runs = ["lifecycle-start"]
  private static let quiet = ["lifecycle-stop", "lifecycle-after-destroy"]

  package static let all = files + modules + lifecycle + data + services + dns + rest

  /// Tests of the file itself.
  private static let files = [
    PluginCheck(
      "file-elf", needs: [], "The file is a whole shared library for this machine.",
      mend: "Link it with -shared, for this processor, and copy it whole."),
    PluginCheck(
      "file-permissions", needs: ["file-elf"], "Only its owner may write the file.",
      mend: "chmod go-w FILE: root does not load what others can change."),
    PluginCheck(
      "file-loads", needs: ["file-elf"], "The file loads with all symbols bound (RTLD_NOW).",
      mend:
        "Link what it needs into it, or add the missing library; it must need no symbol of the host."
    ),
    PluginCheck(
      "file-exports", needs: ["file-elf"],
      "The file exports lima_netd_module_v1, and nothing else.",
      mend: "Compile with -fvisibility=hidden, and link with a version script (plugin.map)."),
    PluginCheck(
      "file-stack", needs: ["file-elf"],
      "The file needs no executable stack and no text relocations.",
      mend: "Compile with -fPIC; assembler files need a .note.GNU-stack section."),
  ]

  /// The entry and the table it returns, and the file name that matches it.
  private static let modules = [
    PluginCheck(
      "module-entry-quick", needs: loads, "The entry returns within 100 ms.",
      mend: "Leave all work to `create` and `start`; the entry returns a static table."),
    PluginCheck(
      "module-entry-stable", needs: ["module-entry-quick"],
      "The entry returns the same pointer each time.",
      mend: "Return the address of one static table."),
    PluginCheck(
      "module-entry-threads", needs: ["module-entry-quick"],
      "Neither loading the file nor its entry starts a thread.",
      mend: "Start threads in `start`."),
    PluginCheck(
      "module-entry-fds", needs: ["module-entry-quick"],
      "Neither loading the file nor its entry opens a descriptor.",
      mend: "Open files and sockets in `start`."),
    PluginCheck(
      "module-entry-processes", needs: ["module-entry-quick"],
      "Neither loading the file nor its entry starts a process.",
      mend: "Never fork in a plugin; start programs from `start`, with posix_spawn."),
    PluginCheck(
      "module-descriptor", needs: ["module-entry-quick"],
      "The descriptor has its sizes, id, version, names, and all callbacks that its kind requires.",
      mend: "Compare the tables with lnd_plugin.h: each begins with `.size = sizeof`."),
    PluginCheck(
      "module-text", needs: described,
      "Names and texts of the descriptor are UTF-8 without control characters; the summary is one line.",
      mend: "Take line ends, tabs and escape sequences out of them."),
    PluginCheck(
      "module-version", needs: described, "The module's version is a semantic one: 1.2.3.",
      mend: "Write MAJOR.MINOR.PATCH (semver.org)."),
    PluginCheck(
      "module-abi-minor", needs: described,
      "abi_minor is that of the headers it was built with, no later than this host's.",
      mend: "Write `.abi_minor = LND_ABI_MINOR`."),
    PluginCheck(
      "module-reserved", needs: described,
      "Flags are known ones, and members called `reserved` are 0.",
      mend: "Use designated initialisers (C), or zero the table first."),
    PluginCheck(
      "module-unique", needs: described, "No two plugins of a file have the same kind and name.",
      mend: "Give each a name of its own."),
    PluginCheck(
      "module-modes", needs: described,
      "A network plugin has modes that can be written in networks.yaml, each once.",
      mend: "Use letters, digits, and single hyphens, dots or underscores between them."),
    PluginCheck(
      "module-schema", needs: described,
      "options_schema is NULL, or a JSON Schema that fits its own defaults.",
      mend: "Keep to the keywords of SDK/README.md; each `default` must pass its own schema."),
    PluginCheck(
      "module-extensions", needs: described,
      "get_extension is pure: the same pointer for an id each time, NULL for an id it does not know.",
      mend: "Return the address of a static table by comparing the id; NULL for all others."),
    PluginCheck(
      "file-name", needs: ["module-descriptor"],
      "The file is called [lib]lima-net-NAME.so or [lib]lima-dns-NAME.so, NAME as in its descriptor.",
      mend: "Rename the file, or change lnd_plugin.name."),
  ]

  /// From create to destroy.
  private static let lifecycle = [
    PluginCheck(
      "lifecycle-create", needs: described,
      "`create` makes an instance of options that fit the schema.",
      mend: "Every combination that the schema allows must work, or be refused with host->fail."),
    PluginCheck(
      "lifecycle-create-pure", needs: ["lifecycle-create"],
      "`create` opens nothing: no file, no socket.", mend: "Move it to `start`."),
    PluginCheck(
      "lifecycle-validate", needs: ["lifecycle-create"],
      "`validate` agrees with `create`, and leaves nothing behind.",
      mend: "Read the options in one function that both call."),
    PluginCheck(
      "lifecycle-destroy", needs: ["lifecycle-create"], "`destroy` right after `create` is legal.",
      mend: "Free only what there is: `start` has not been called."),
    PluginCheck(
      "lifecycle-start", needs: ["lifecycle-create"], "`start` succeeds.",
      mend: "Look at what it says with host->fail."),
    PluginCheck(
      "lifecycle-stop", needs: runs, "`stop` completes its op once, within 5 s.",
      mend: "Call op_done with the op of `stop` exactly once, when all is quiet."),
    PluginCheck(
      "lifecycle-after-destroy", needs: runs, "No function of the host is called after `destroy`.",
      mend: "Join your threads, and forget timers and watches, before `destroy` returns."),
    PluginCheck(
      "lifecycle-two", needs: ["lifecycle-stop"],
      "Two instances live in one process, each with its own state.",
      mend: "Keep nothing in global variables; `self` is what `create` returned."),
  ]

  /// A network's frames.
  private static let data = [
    PluginCheck(
      "data-ports", kind: "network", needs: runs,
      "`port_up` takes a guest, `port_down` is idempotent, also for unknown ports.",
      mend: "An unknown port is no error in `port_down`."),
    PluginCheck(
      "data-batches", kind: "network", needs: runs, "`rx` takes 1, 8 and 256 frames at once.",
      mend: "Size no array by fewer than 256 frames."),
    PluginCheck(
      "data-short", kind: "network", needs: runs, "`rx` takes frames of 14 bytes and up.",
      mend: "Check frame->length before each header is read."),
    PluginCheck(
      "data-long", kind: "network", needs: runs, "`rx` takes frames of up to LND_FRAME_MAX bytes.",
      mend: "Check frame->length before a frame is copied."),
    PluginCheck(
      "data-garbage", kind: "network", needs: ["data-short"],
      "`rx` survives frames whose bytes make no sense.",
      mend: "Check every length and offset that a frame states. --seed repeats the same frames."),
    PluginCheck(
      "data-borrowed", kind: "network", needs: runs,
      "Frames are not looked at after `rx` has returned.", mend: "Copy what you keep."),
    PluginCheck(
      "data-read-only", kind: "network", needs: runs, "Frames given to `rx` are not written to.",
      mend: "Copy a frame before you change it."),
    PluginCheck(
      "data-send-valid", kind: "network", needs: runs,
      "What is sent is well-formed, and goes to a port that is up.",
      mend:
        "14 to LND_FRAME_MAX bytes, slices that add up to `length`, offsets inside; forget a port in port_down."
    ),
    PluginCheck(
      "data-back-pressure", kind: "network", needs: runs,
      "A short `send` is no reason to try again before `tx_ready`.",
      mend: "Drop the frame, or keep it until tx_ready: never loop."),
    PluginCheck(
      "data-status", needs: runs, "`status` writes one JSON object of at most 64 KiB.",
      mend: "Escape quotes; write counters, not lists."),
  ]

  /// Descriptors, timers, wakes, extensions.
  private static let services = [
    PluginCheck(
      "services-handles", needs: runs,
      "Handles, ports and ops are not used after their end.",
      mend: "Set a handle to 0 when it is removed, cancelled, fired or completed."),
    PluginCheck(
      "services-calls", needs: runs,
      "Functions of the host are called when lnd_plugin.h allows them, with what it allows.",
      mend: "Watches and timers begin in `start`; statuses are 0 or LND_ERR_*."),
    PluginCheck(
      "services-closed-fd", needs: runs, "A watch is removed before its descriptor is closed.",
      mend: "fd_remove first, close after it."),
    PluginCheck(
      "services-spurious", needs: runs,
      "Events of handles that have ended, and wakes without a reason, do no harm.",
      mend: "Compare `user` and handles with what you keep."),
    PluginCheck(
      "services-no-extensions", needs: ["lifecycle-create"],
      "A host without extensions is refused with host->fail, or served; not crashed into.",
      mend: "get_extension may return NULL: test it."),
  ]

  private static let dns = [
    PluginCheck(
      "dns-once", kind: "dns", needs: runs, "Each question is completed exactly once.",
      mend: "One op_done for each op of `resolve`."),
    PluginCheck(
      "dns-answer", kind: "dns", needs: runs,
      "An answer has QR set, the question's id, and the question.",
      mend: "Begin with a copy of header and question."),
    PluginCheck(
      "dns-many", kind: "dns", needs: runs,
      "A thousand questions at once are completed or refused.",
      mend: "Bound what waits, and complete the rest with LND_ERR_LIMIT."),
    PluginCheck(
      "dns-odd", kind: "dns", needs: runs,
      "Questions of every name, type and class, with EDNS, are survived.",
      mend: "Check each length in the message. --seed repeats the same questions."),
    PluginCheck(
      "dns-cancel", kind: "dns", needs: runs,
      "`cancel` is legal for an op under way and for one that is done.",
      mend: "Look the op up, and ignore one that is not there."),
    PluginCheck(
      "dns-borrowed", kind: "dns", needs: runs,
      "A question's bytes are not looked at after `resolve` has returned.",
      mend: "Copy what you keep."),
    PluginCheck(
      "dns-stop", kind: "dns", needs: runs, "`stop` completes while questions are under way.",
      mend: "Drop what waits: the host has answered it."),
    PluginCheck(
      "dns-events", kind: "dns", needs: runs, "`on_event` ignores events that it does not know.",
      mend: "Compare the event, and do nothing in all other cases."),
  ]

  /// Leaks, threads, and a host of another version.
  private static let rest = [
    PluginCheck(
      "leaks-fds", needs: quiet, "Descriptors do not pile up over 50 instances.",
      mend: "Close in `destroy` what `start` opened."),
    PluginCheck(
      "leaks-threads", needs: quiet, "Threads do not pile up over 50 instances.",
      mend: "Join them before `destroy` returns."),
    PluginCheck(
      "leaks-memory", needs: ["leaks-threads"], "Memory does not pile up over 50 instances.",
      mend: "Free in `destroy` what `create` and `rx` allocated."),
    PluginCheck(
      "threads-loop", needs: runs,
      "Only log, wake, now_ns and loopcheck are called from other threads.",
      mend: "Call host->wake, and do the rest in on_wake."),
    PluginCheck(
      "misuse-reserved", needs: runs,
      "Reserved members and unknown flags of what the host hands over are ignored.",
      mend: "Do not read `reserved`; test single flags with &."),
    PluginCheck(
      "misuse-larger", needs: runs, "Tables of a later host, which are larger, are accepted.",
      mend: "Compare `size` with >=, never with ==."),
    PluginCheck(
      "misuse-smaller", needs: runs,
      "Tables of an earlier host are not read past the size they state.",
      mend: "Members that came after 1.0 are read only when `size` covers them."),
  ]
}
