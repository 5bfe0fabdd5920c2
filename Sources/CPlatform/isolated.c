/* isolated.c - a child in namespaces of its own, and the helper that takes its files from it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformConfine.h"

#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PAIRS 32
#define MAX_TARGET 4096
#define STACK_SIZE (64 << 10)

struct spawning {
    const char *path;
    char *const *argv, *const *envp;
    const int *pairs, *high;
    uint32_t count;
    int above;
    const char *uid_map, *gid_map; /* NULL: no user namespace */
    volatile int error;
};

/* In the child, on the parent's memory: system calls alone. */
static int put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = write(fd, text, strlen(text));
    int error = errno;
    close(fd);
    errno = error;
    return n < 0 ? -1 : 0;
}

static void close_from(int first) {
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0U, 0) == 0) return;
#endif
    for (int fd = first; fd < 65536; fd++) close(fd);
}

static int begin(void *context) {
    struct spawning *s = context;
    struct sigaction usual;
    sigset_t none;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    /* Of the two that cannot be changed EINVAL. */
    for (int number = 1; number < _NSIG; number++) sigaction(number, &usual, 0);
    if (s->uid_map && (put("/proc/self/uid_map", s->uid_map) != 0 || put("/proc/self/setgroups", "deny") != 0 ||
                       put("/proc/self/gid_map", s->gid_map) != 0))
        goto failed;
    if (setpgid(0, 0) != 0) goto failed;
    for (uint32_t i = 0; i < s->count; i++)
        if (dup2(s->high[i], s->pairs[2 * i + 1]) < 0) goto failed;
    for (int fd = 3; fd < s->above; fd++) {
        int wanted = 0;
        for (uint32_t i = 0; i < s->count; i++) wanted |= s->pairs[2 * i + 1] == fd;
        if (!wanted) close(fd);
    }
    close_from(s->above);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    execve(s->path, s->argv, s->envp);
failed:
    s->error = errno;
    _exit(127);
}

int plat_spawn_isolated(const char *path, char *const argv[], char *const envp[], const int *pairs,
                        uint32_t pair_count, int user_namespace) {
    char uid_map[32], gid_map[32];
    int high[MAX_PAIRS], above = 3, result = 0;
    uint32_t made = 0;
    sigset_t all, before;
    struct spawning s = {.path = path, .argv = argv, .envp = envp, .pairs = pairs, .high = high, .count = pair_count};
    if (pair_count > MAX_PAIRS) return -EINVAL;
    for (uint32_t i = 0; i < pair_count; i++)
        if (pairs[2 * i + 1] >= above) above = pairs[2 * i + 1] + 1;
    if (above > MAX_TARGET) return -EINVAL;
    s.above = above;
    snprintf(uid_map, sizeof uid_map, "0 %u 1", (unsigned)geteuid());
    snprintf(gid_map, sizeof gid_map, "0 %u 1", (unsigned)getegid());
    if (user_namespace) s.uid_map = uid_map, s.gid_map = gid_map;
    char *stack = mmap(0, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    for (; made < pair_count; made++) {
        high[made] = fcntl(pairs[2 * made], F_DUPFD_CLOEXEC, above);
        if (high[made] < 0) {
            result = -errno;
            goto out;
        }
    }
    /* No handler of this process may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | SIGCHLD;
    result = clone(begin, stack + STACK_SIZE, user_namespace ? flags | CLONE_NEWUSER : flags, &s);
    if (result < 0) result = -errno;
    pthread_sigmask(SIG_SETMASK, &before, 0);
    if (result > 0 && s.error) {
        while (waitpid(result, 0, 0) < 0 && errno == EINTR) {}
        result = -s.error;
    }
out:
    for (uint32_t i = 0; i < made; i++) close(high[i]);
    munmap(stack, STACK_SIZE);
    return result;
}

/* Waits for a byte; then the folder `root` is all there is of files, for whoever shares them. */
static void help(int fd, const char *root) {
    char byte;
    int error = 0;
    if (dup2(fd, 0) != 0) _exit(1);
    close_from(1);
    if (read(0, &byte, 1) != 1) _exit(0);
    if (chdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0)
        error = errno;
    _exit(write(0, &error, sizeof error) == sizeof error ? 0 : 1);
}

int plat_root_helper(const char *root, int *pid) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
    long child = syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) help(ends[1], root);
    int error = errno;
    close(ends[1]);
    if (child < 0) {
        close(ends[0]);
        return -error;
    }
    *pid = (int)child;
    return ends[0];
}

int plat_root_enter(int helper, int pid) {
    int error = EPIPE;
    ssize_t n = write(helper, "", 1);
    if (n == 1)
        do n = read(helper, &error, sizeof error);
        while (n < 0 && errno == EINTR);
    if (n != sizeof error) error = EPIPE;
    close(helper);
    while (waitpid(pid, 0, 0) < 0 && errno == EINTR) {}
    return -error;
}
#else
typedef int plat_no_isolation;
#endif
