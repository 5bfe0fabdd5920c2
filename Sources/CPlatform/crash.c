/* crash.c - the message of a process killed by a signal, and SIGTERM as an event.
 *
 * The crash handler writes one line that names the plugin and the callback that was running, then raises
 * the signal again with its default action. Async-signal-safe: it reads a pointer and calls write,
 * sigaction and raise.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *volatile running_plugin;
static const char *volatile running_callback;

void plat_crash_context(const char *plugin, const char *callback) {
    running_plugin = plugin;
    running_callback = callback;
}

static void put(const char *text) {
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
}

static void last_words(int signal_number) {
    const char *plugin = running_plugin, *callback = running_callback;
    const char *name = plat_signal_name(signal_number);
    put("FATAL host: ");
    put(name ? name : "a signal");
    if (callback) {
        put(" in callback `");
        put(callback);
        put("` of plugin ");
        put(plugin ? plugin : "?");
    } else {
        put(" in the host itself or a thread of a plugin");
    }
    put("\n");
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    /* The first process of a namespace is not ended by a signal of its own. */
    if (getpid() == 1) _exit(128 + signal_number);
}

int plat_report_crashes(void) {
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    struct sigaction action;
    stack_t stack;
    memset(&stack, 0, sizeof stack);
    stack.ss_size = 65536;
    stack.ss_sp = malloc(stack.ss_size); /* never freed */
    if (!stack.ss_sp || sigaltstack(&stack, 0) != 0) return -errno;
    memset(&action, 0, sizeof action);
    action.sa_handler = last_words;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    sigfillset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof fatal / sizeof *fatal; i++)
        if (sigaction(fatal[i], &action, 0) != 0) return -errno;
    return 0;
}

static volatile sig_atomic_t terminate_fd = -1;

static void terminate(int signal_number) {
    int saved = errno;
    uint64_t one = 1;
    (void)signal_number;
    if (terminate_fd >= 0) {
        ssize_t ignored = write(terminate_fd, &one, sizeof one);
        (void)ignored;
    }
    errno = saved;
}

int plat_on_terminate(int fd) {
    struct sigaction action;
    terminate_fd = fd;
    memset(&action, 0, sizeof action);
    action.sa_handler = terminate;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    return sigaction(SIGTERM, &action, 0) == 0 ? 0 : -errno;
}
