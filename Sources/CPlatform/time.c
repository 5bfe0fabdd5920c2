/* time.c - clocks, thread ids, and the interpretation of a child's exit status.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#ifdef __APPLE__
/* Here CLOCK_MONOTONIC advances while the host sleeps, and kevent's timeouts do not. */
#define AWAKE_CLOCK CLOCK_UPTIME_RAW
#define BOOT_CLOCK CLOCK_MONOTONIC_RAW
#else
#define AWAKE_CLOCK CLOCK_MONOTONIC
#define BOOT_CLOCK CLOCK_BOOTTIME
#endif

uint64_t plat_now_ns(void) { return read_clock(AWAKE_CLOCK); }

uint64_t plat_slept_ns(void) {
    uint64_t awake = read_clock(AWAKE_CLOCK), all = read_clock(BOOT_CLOCK);
    /* The time between the two reads must not count as sleep. */
    return all > awake && all - awake >= 1000000000u ? all - awake : 0;
}

uint64_t plat_wall_ns(void) { return read_clock(CLOCK_REALTIME); }
uint64_t plat_thread_id(void) { return (uint64_t)(uintptr_t)pthread_self(); }

int plat_wait_exited(int status) { return WIFEXITED(status); }
int plat_wait_exit_code(int status) { return WEXITSTATUS(status); }
int plat_wait_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }
int plat_wait_core_dumped(int status) {
#ifdef WCOREDUMP
    return WIFSIGNALED(status) && WCOREDUMP(status);
#else
    return 0;
#endif
}
