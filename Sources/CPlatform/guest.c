/* guest.c - namespaces, mounts and children of `exec` and `attach`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformGuest.h"

#ifdef __linux__
#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <unistd.h>

_Static_assert(PLAT_NS_MOUNT == CLONE_NEWNS, "value");
_Static_assert(PLAT_NS_USER == CLONE_NEWUSER, "value");
_Static_assert(PLAT_NS_NETWORK == CLONE_NEWNET, "value");
_Static_assert(PLAT_MOUNT_BIND == MS_BIND, "value");
_Static_assert(PLAT_MOUNT_RECURSIVE == MS_REC, "value");
_Static_assert(PLAT_MOUNT_PRIVATE == MS_PRIVATE, "value");
_Static_assert(PLAT_MOUNT_MOVE == MS_MOVE, "value");
_Static_assert(PLAT_SIGNAL_MASK_BYTES >= sizeof(sigset_t), "size");

int plat_unshare(int namespaces) { return unshare(namespaces) == 0 ? 0 : -errno; }

int plat_setns(int fd, int namespace_type) {
    return setns(fd, namespace_type) == 0 ? 0 : -errno;
}

int plat_namespace_owner(int fd) {
    int owner = ioctl(fd, NS_GET_USERNS);
    return owner >= 0 ? owner : -errno;
}

int plat_mount(const char *source, const char *target, const char *type, uint64_t flags,
               const char *data) {
    return mount(source, target, type, flags, data) == 0 ? 0 : -errno;
}

int plat_ioctl_value(int fd, uint64_t request, int value) {
    int result = ioctl(fd, request, value);
    return result >= 0 ? result : -errno;
}

int plat_ioctl_bytes(int fd, uint64_t request, void *bytes) {
    int result = ioctl(fd, request, bytes);
    return result >= 0 ? result : -errno;
}

int plat_signal_take(const int *signals, uint32_t count, void *before) {
    sigset_t set, old;
    sigemptyset(&set);
    for (uint32_t i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, &old);
    if (error) return -error;
    /* A starter that had them blocked, as threads of a pool have, would make a
     * command that none of the signals passed on to it ever reaches. */
    for (uint32_t i = 0; i < count; i++) sigdelset(&old, signals[i]);
    memcpy(before, &old, sizeof old);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : -errno;
}

int plat_signal_next(int fd, int *from_user) {
    struct signalfd_siginfo info;
    ssize_t n;
    do {
        n = read(fd, &info, sizeof info);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    if (n != sizeof info) return -EIO;
    *from_user = info.ssi_code <= 0;
    return (int)info.ssi_signo;
}

int plat_spawn_command(const char *file, char *const argv[], char *const envp[],
                       const void *mask, int fd, int fd_there) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t set;
    pid_t pid = 0;
    memcpy(&set, mask, sizeof set);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &set);
    posix_spawn_file_actions_init(&actions);
    int error = fd < 0 ? 0 : posix_spawn_file_actions_adddup2(&actions, fd, fd_there);
    if (!error) error = posix_spawnp(&pid, file, &actions, &attributes, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error ? -error : (int)pid;
}
#else
typedef int plat_no_guest;
#endif
