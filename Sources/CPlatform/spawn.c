/* spawn.c - posix_spawn with a defined set of descriptors.
 *
 * The `from` descriptors are first duplicated above every `to`, so that no pair overwrites another's
 * source.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

#define MAX_PAIRS 32
#define MAX_TARGET 4096

extern char **environ;

int plat_ignore_sigpipe(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &action, 0) == 0 ? 0 : -errno;
}

int plat_spawn(const char *path, char *const argv[], char *const envp[], const int *pairs,
               uint32_t pair_count, int new_group) {
    int high[MAX_PAIRS], above = 3, error = 0;
    uint32_t made = 0;
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;

    if (pair_count > MAX_PAIRS) return -EINVAL;
    for (uint32_t i = 0; i < pair_count; i++)
        if (pairs[2 * i + 1] >= above) above = pairs[2 * i + 1] + 1;
    if (above > MAX_TARGET) return -EINVAL;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (; made < pair_count; made++) {
        high[made] = fcntl(pairs[2 * made], F_DUPFD_CLOEXEC, above);
        if (high[made] < 0) {
            error = errno;
            goto out;
        }
    }
    for (uint32_t i = 0; i < pair_count && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(&actions, high[i], pairs[2 * i + 1]);
    /* Those between the targets, then all above them. */
    for (int fd = 3; fd < above && error == 0; fd++) {
        int target = 0;
        for (uint32_t i = 0; i < pair_count; i++) target |= pairs[2 * i + 1] == fd;
        if (!target) error = posix_spawn_file_actions_addclose(&actions, fd);
    }
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions, above);
#endif
    if (error) goto out;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    if (new_group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        posix_spawnattr_setpgroup(&attributes, 0);
    }
#ifdef POSIX_SPAWN_CLOEXEC_DEFAULT
    flags |= POSIX_SPAWN_CLOEXEC_DEFAULT;
#endif
    posix_spawnattr_setflags(&attributes, flags);
    error = posix_spawn(&pid, path, &actions, &attributes, argv, envp ? envp : environ);
out:
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    for (uint32_t i = 0; i < made; i++) close(high[i]);
    return error ? -error : (int)pid;
}
