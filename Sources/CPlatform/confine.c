/* confine.c - permanently gives up privileges, capabilities and system calls.
 *
 * Each function affects the calling thread and threads that it creates later, so it must be called before
 * others exist. The filter of system calls affects all threads.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatformConfine.h"
#include "confine_filter.h"

#ifdef __linux__
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int plat_give_up_privileges(void) {
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -errno;
    return setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : -errno;
}

static int read_capabilities(struct __user_cap_data_struct data[2]) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    return syscall(SYS_capget, &head, data) == 0 ? 0 : -errno;
}

int plat_become_user(uint32_t uid, uint32_t gid) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    int error;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return -errno;
    if (setgroups(0, 0) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) return -errno;
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return -errno;
    /* The change of user has left them permitted and taken their effect (capabilities(7)). */
    if ((error = read_capabilities(data)) != 0) return error;
    for (int half = 0; half < 2; half++) {
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}

int plat_keep_capabilities(uint64_t keep) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    int error = read_capabilities(data);
    if (error) return error;
    /* The bounding set can only be reduced with CAP_SETPCAP; without it no_new_privs has the same effect. */
    if (data[CAP_SETPCAP / 32].effective & (1u << (CAP_SETPCAP % 32)))
        for (int number = 0; number < 64; number++)
            if (!(keep >> number & 1) && prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1)
                if (prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0) return -errno;
    /* EINVAL: a kernel older than 4.3, without ambient capabilities. */
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) return -errno;
    for (int half = 0; half < 2; half++) {
        uint32_t kept = data[half].permitted & (uint32_t)(keep >> (32 * half));
        data[half].permitted = data[half].effective = kept;
        data[half].inheritable = 0;
    }
    return syscall(SYS_capset, &head, data) == 0 ? 0 : -errno;
}

uint64_t plat_capabilities(void) {
    struct __user_cap_data_struct data[2];
    if (read_capabilities(data) != 0) return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* ---- System calls ---- */

#ifdef NATIVE_ARCH

/* Refused with EPERM for all arguments. */
static const int refused[] = {
    /* Access to other processes. */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_tkill,
#ifdef SYS_process_madvise
    SYS_process_madvise,
#endif
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_pidfd_send_signal
    SYS_pidfd_send_signal,
#endif
    /* Execution of programs. */
    SYS_execve, SYS_execveat, SYS_personality,
    /* Namespaces and mounts. */
    SYS_setns, SYS_unshare, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_swapon, SYS_swapoff,
    SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_quotactl,
#ifdef SYS_move_mount
    SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
    /* Unused parts of the kernel with a history of vulnerabilities. */
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_add_key, SYS_request_key, SYS_keyctl,
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#endif
    /* The machine as a whole. */
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_reboot, SYS_acct, SYS_syslog,
    SYS_sethostname, SYS_setdomainname, SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl, SYS_ioperm,
#endif
};

#define REFUSED_COUNT (sizeof refused / sizeof *refused)
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
/* CLONE_NEWTIME shares its bits with clone's exit signal, and is valid for clone3 only. */
#define NEW_NAMESPACES \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

int plat_refuse_system_calls(void) {
    struct sock_filter code[64 + 2 * REFUSED_COUNT];
    uint32_t self = (uint32_t)getpid(), n = 0;

    code[n++] = LOAD(DATA(arch));
    code[n++] = IF(NATIVE_ARCH, 1, 0);
    code[n++] = REFUSE(ENOSYS);
    code[n++] = LOAD(DATA(nr));
#ifdef __x86_64__
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1); /* x32 */
    code[n++] = REFUSE(ENOSYS);
#endif
    for (uint32_t i = 0; i < REFUSED_COUNT; i++) {
        code[n++] = IF(refused[i], 0, 1);
        code[n++] = REFUSE(EPERM);
    }
#ifdef SYS_clone3
    /* Its flags are in memory that a filter cannot read. ENOSYS makes libraries use clone. */
    code[n++] = IF(SYS_clone3, 0, 1);
    code[n++] = REFUSE(ENOSYS);
#endif
    code[n++] = IF(SYS_clone, 0, 4);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = IF_ANY(NEW_NAMESPACES, 0, 1);
    code[n++] = REFUSE(EPERM);
    code[n++] = ALLOW;

    /* Signals are allowed to the process itself. */
    const int signals[] = {SYS_kill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo};
    for (uint32_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        code[n++] = IF(signals[i], 0, 4);
        code[n++] = LOAD(ARGUMENT(0));
        code[n++] = IF(self, 0, 1);
        code[n++] = ALLOW;
        code[n++] = REFUSE(EPERM);
    }
    /* Input into a terminal (TIOCSTI, TIOCLINUX). */
    code[n++] = IF(SYS_ioctl, 0, 5);
    code[n++] = LOAD(ARGUMENT(1));
    code[n++] = IF(TIOCSTI, 1, 0);
    code[n++] = IF(0x541c /* TIOCLINUX */, 0, 1);
    code[n++] = REFUSE(EPERM);
    code[n++] = ALLOW;
    /* Sockets of the Internet and Unix families, except raw ones. */
    code[n++] = IF(SYS_socket, 0, 12);
    code[n++] = LOAD(ARGUMENT(0));
    code[n++] = IF(AF_UNIX, 8, 0);
    code[n++] = IF(AF_NETLINK, 7, 0);
    code[n++] = IF(AF_INET, 2, 0);
    code[n++] = IF(AF_INET6, 1, 0);
    code[n++] = REFUSE(EAFNOSUPPORT);
    code[n++] = LOAD(ARGUMENT(1));
    code[n++] = MASK(0xf);
    code[n++] = IF(SOCK_RAW, 2, 0);
    code[n++] = IF(SOCK_PACKET, 1, 0);
    code[n++] = ALLOW;
    code[n++] = REFUSE(EPERM);
    code[n++] = ALLOW;

    return install_filter(code, (unsigned short)n);
}

#else
int plat_refuse_system_calls(void) { return -ENOSYS; }
#endif
#else
typedef int plat_no_confinement;
#endif
