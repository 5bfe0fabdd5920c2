/* guest.c - namespaces, mounts and child processes for `exec` and `attach`.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformGuest.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(PLAT_NS_MOUNT == CLONE_NEWNS, "value");
_Static_assert(PLAT_NS_USER == CLONE_NEWUSER, "value");
_Static_assert(PLAT_NS_NETWORK == CLONE_NEWNET, "value");
_Static_assert(PLAT_NS_PROCESS == CLONE_NEWPID, "value");
_Static_assert(PLAT_NS_IPC == CLONE_NEWIPC, "value");
_Static_assert(PLAT_NS_UTS == CLONE_NEWUTS, "value");
_Static_assert(PLAT_MOUNT_BIND == MS_BIND, "value");
_Static_assert(PLAT_MOUNT_RECURSIVE == MS_REC, "value");
_Static_assert(PLAT_MOUNT_PRIVATE == MS_PRIVATE, "value");
_Static_assert(PLAT_MOUNT_MOVE == MS_MOVE, "value");
_Static_assert(PLAT_MOUNT_NOSUID == MS_NOSUID, "value");
_Static_assert(PLAT_MOUNT_NODEV == MS_NODEV, "value");
_Static_assert(PLAT_MOUNT_NOEXEC == MS_NOEXEC, "value");
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

int plat_mount_read_only(const char *path) {
    /* struct mount_attr and its constants, which the C library's headers have since 2.36 only. */
    struct {
        uint64_t set, clear, propagation, user_namespace;
    } change = {.set = 0x1 | 0x2}; /* MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID */
    const long mount_setattr_number = 442; /* on all architectures */
    const int recursive = 0x8000;          /* AT_RECURSIVE */
    long result = syscall(mount_setattr_number, AT_FDCWD, path, recursive, &change, sizeof change);
    return result == 0 ? 0 : -errno;
}

int plat_open_path(const char *path) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
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
    /* If the parent had them blocked, as threads of a pool do, the command would inherit that and never
     * get the signals forwarded to it. */
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

/* Runs in the child between vfork and exec, in the parent's memory, with all signals blocked. Does not
 * return. */
static void become(const char *file, char *const argv[], char *const envp[], const sigset_t *mask,
                   int fd, int fd_there, pid_t parent, int end_signal, volatile int *error) {
    /* If the parent ended before prctl, the signal is never sent. */
    if (end_signal > 0 && (prctl(PR_SET_PDEATHSIG, end_signal, 0, 0, 0) != 0 || getppid() != parent))
        *error = errno ? errno : ESRCH;
    else if (fd >= 0 && fd == fd_there && fcntl(fd, F_SETFD, 0) != 0)
        *error = errno;
    else if (fd >= 0 && fd != fd_there && dup2(fd, fd_there) < 0)
        *error = errno;
    else if (sigprocmask(SIG_SETMASK, mask, NULL) != 0)
        *error = errno;
    else {
        execvpe(file, argv, envp);
        *error = errno;
    }
    _exit(127);
}

/* posix_spawn cannot set PR_SET_PDEATHSIG. */
int plat_spawn_command(const char *file, char *const argv[], char *const envp[],
                       const void *mask, int fd, int fd_there, int end_signal) {
    sigset_t set, all, before;
    volatile int error = 0;
    pid_t parent = getpid();
    memcpy(&set, mask, sizeof set);
    sigfillset(&all);
    /* Handlers of this process must not run in the child. */
    if (sigprocmask(SIG_BLOCK, &all, &before) != 0) return -errno;
    errno = 0;
    pid_t pid = vfork();
    if (pid == 0) become(file, argv, envp, &set, fd, fd_there, parent, end_signal, &error);
    int failure = pid < 0 ? errno : error;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && failure)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return failure ? -failure : (int)pid;
}
#else
typedef int plat_no_guest;
#endif
