/* confine_strict.c - the system calls that a network's process has left in a strict sandbox: a list of what it may do.
 *
 * All else is EPERM; what a C library tries first and does without is ENOSYS. The list is what our plugins, the
 * network-host and the C libraries use once a network runs: sockets of the Internet, epoll, memory without code, threads,
 * clocks, and the files of an empty root.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformConfine.h"
#include "confine_filter.h"

#ifdef __linux__
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef NATIVE_ARCH

/* Whatever their arguments. The busiest first: kernels before 5.11 look through all. */
static const int allowed[] = {
    SYS_recvmsg, SYS_sendmsg, SYS_read, SYS_write, SYS_epoll_pwait, SYS_readv, SYS_writev, SYS_recvfrom, SYS_sendto,
    SYS_sendmmsg, SYS_recvmmsg, SYS_epoll_ctl, SYS_close, SYS_clock_gettime, SYS_futex, SYS_accept4, SYS_connect,
#ifdef SYS_epoll_wait
    SYS_epoll_wait, SYS_poll, SYS_select,
#endif
#ifdef SYS_epoll_pwait2
    SYS_epoll_pwait2,
#endif
    /* Sockets that are there. */
    SYS_bind, SYS_listen, SYS_accept, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_shutdown,
    SYS_socketpair, SYS_ppoll, SYS_pselect6, SYS_epoll_create1, SYS_eventfd2, SYS_pipe2,
    /* Descriptors and files. */
    SYS_openat, SYS_fcntl, SYS_dup, SYS_dup3, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_fstat,
    SYS_newfstatat, SYS_faccessat, SYS_readlinkat, SYS_getdents64, SYS_renameat2, SYS_unlinkat, SYS_mkdirat,
    SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_fchmod, SYS_fchmodat, SYS_flock, SYS_getcwd, SYS_utimensat,
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef SYS_close_range
    SYS_close_range,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_rename, SYS_unlink, SYS_mkdir, SYS_rmdir, SYS_chmod,
    SYS_dup2, SYS_pipe, SYS_getdents,
#endif
    /* Memory; mmap and mprotect are below. */
    SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_mincore, SYS_msync, SYS_membarrier, SYS_memfd_create,
    /* Threads, time, signals to itself. */
    SYS_exit, SYS_exit_group, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_gettid, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_getres, SYS_gettimeofday,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending, SYS_sigaltstack, SYS_restart_syscall,
    SYS_getpriority, SYS_sched_getparam, SYS_sched_getscheduler,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_time
    SYS_time,
#endif
    /* What it is, and what is there. */
    SYS_getpid, SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getgroups, SYS_getrusage,
    SYS_uname, SYS_sysinfo, SYS_times, SYS_getrandom, SYS_umask, SYS_capget,
};

/* What C libraries do without where it is missing. */
static const int unknown[] = {
#ifdef SYS_clone3
    SYS_clone3,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_openat2
    SYS_openat2,
#endif
#ifdef SYS_fchmodat2
    SYS_fchmodat2,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
};

#define COUNT(list) (sizeof(list) / sizeof *(list))
/* What pthread_create asks for; a process of its own has none of it. */
#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

int plat_allow_needed_calls(void) {
    struct sock_filter code[96 + 2 * (COUNT(allowed) + COUNT(unknown))];
    uint32_t self = (uint32_t)getpid(), n = 0;

    code[n++] = LOAD(DATA(arch));
    code[n++] = IF(NATIVE_ARCH, 1, 0);
    code[n++] = REFUSE(ENOSYS);
    code[n++] = LOAD(DATA(nr));
    for (uint32_t i = 0; i < COUNT(allowed); i++) {
        code[n++] = IF(allowed[i], 0, 1);
        code[n++] = ALLOW;
    }
    /* Memory that is never code: all that is has been loaded. */
    const int mappings[] = {SYS_mmap, SYS_mprotect};
    for (uint32_t i = 0; i < COUNT(mappings); i++) {
        code[n++] = IF(mappings[i], 0, 4);
        code[n++] = LOAD(ARGUMENT(2));
        code[n++] = IF_ANY(PROT_EXEC, 0, 1);
        code[n++] = REFUSE(EPERM);
        code[n++] = ALLOW;
    }
    code[n++] = IF(SYS_clone, 0, 5);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = MASK(THREAD);
    code[n++] = IF(THREAD, 0, 1);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    /* Sockets of the Internet, and the kernel's words about addresses, routes and sockets. */
    code[n++] = IF(SYS_socket, 0, 15);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = IF(AF_INET, 7, 0);
    code[n++] = IF(AF_INET6, 6, 0);
    code[n++] = IF(AF_NETLINK, 1, 0);
    code[n++] = REFUSE(EAFNOSUPPORT);
    code[n++] = LOAD(ARGUMENT(2));
    code[n++] = IF(NETLINK_ROUTE, 6, 0);
    code[n++] = IF(NETLINK_SOCK_DIAG, 5, 0);
    code[n++] = REFUSE(EPERM);
    code[n++] = LOAD(ARGUMENT(1));
    code[n++] = MASK(0xf);
    code[n++] = IF(SOCK_STREAM, 1, 0);
    code[n++] = IF(SOCK_DGRAM, 0, 1);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    code[n++] = LOAD(DATA(nr));
    code[n++] = IF(SYS_tgkill, 0, 4);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = IF(self, 0, 1);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    /* Of descriptors, and of a TAP that it was given. */
    const uint32_t requests[] = {FIONREAD,   0x5411 /* SIOCOUTQ */, FIONBIO, FIOCLEX, 0x400454d0 /* TUNSETOFFLOAD */,
                                 0x400454d8 /* TUNSETVNETHDRSZ */, 0x800454d2 /* TUNGETIFF */};
    code[n++] = IF(SYS_ioctl, 0, (uint8_t)(2 + 2 * COUNT(requests)));
    code[n++] = LOAD(ARGUMENT(1));
    for (uint32_t i = 0; i < COUNT(requests); i++) {
        code[n++] = IF(requests[i], 0, 1);
        code[n++] = ALLOW;
    }
    code[n++] = REFUSE(EPERM);
    /* A thread's name. */
    code[n++] = IF(SYS_prctl, 0, 4);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = IF(PR_SET_NAME, 0, 1);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    /* How many descriptors and how much memory there may be: to read. */
    code[n++] = IF(SYS_prlimit64, 0, 7);
    code[n++] = LOAD(ARGUMENT(2));
    code[n++] = IF(0, 0, 3);
    code[n++] = LOAD(ARGUMENT(2) + 4);
    code[n++] = IF(0, 0, 1);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    code[n++] = REFUSE(EPERM);
    for (uint32_t i = 0; i < COUNT(unknown); i++) {
        code[n++] = IF(unknown[i], 0, 1);
        code[n++] = REFUSE(ENOSYS);
    }
    code[n++] = REFUSE(EPERM);

    return install_filter(code, (unsigned short)n);
}

#else
int plat_allow_needed_calls(void) { return -ENOSYS; }
#endif
#else
typedef int plat_no_strict_calls;
#endif
