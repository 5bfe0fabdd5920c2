/* signals.c - signals as bytes in a pipe, which an event loop can read.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* The handlers' only variable; written before any handler is set. */
static volatile sig_atomic_t signal_pipe = -1;

static void on_signal(int number) {
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    /* If the pipe is full it holds enough signals, and this one may be lost. */
    if (write(signal_pipe, &byte, 1) < 0) errno = saved;
    errno = saved;
}

int plat_watch_signals(const int *signals, uint32_t count) {
    int ends[2];
    struct sigaction action;
    if (signal_pipe >= 0) return -EBUSY;
    if (pipe(ends) != 0) return -errno;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    signal_pipe = ends[1];
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigset_t watched;
    sigemptyset(&watched);
    for (uint32_t i = 0; i < count; i++) {
        if (sigaction(signals[i], &action, 0) != 0) return -errno;
        sigaddset(&watched, signals[i]);
    }
    /* A parent may have blocked them, which is inherited. */
    pthread_sigmask(SIG_UNBLOCK, &watched, 0);
    return ends[0];
}
