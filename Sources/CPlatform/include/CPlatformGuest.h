/* CPlatformGuest.h - namespaces, mounts and child processes for `exec` and `attach`: calls that the Swift
 * overlay of libc does not import. As in CPlatform.h: no state, the call's result or -errno.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_GUEST_H
#define CPLATFORM_GUEST_H

#include <stdint.h>

#ifdef __linux__
/* The namespaces that plat_unshare creates and plat_setns expects. */
#define PLAT_NS_MOUNT 0x00020000
#define PLAT_NS_USER 0x10000000
#define PLAT_NS_NETWORK 0x40000000
#define PLAT_NS_PROCESS 0x20000000
#define PLAT_NS_IPC 0x08000000
#define PLAT_NS_UTS 0x04000000

int plat_unshare(int namespaces);
int plat_setns(int fd, int namespace_type);
/* A descriptor (CLOEXEC) of the user namespace that owns the namespace `fd`. */
int plat_namespace_owner(int fd);

#define PLAT_MOUNT_BIND 4096
#define PLAT_MOUNT_RECURSIVE 16384
#define PLAT_MOUNT_PRIVATE (1 << 18)
#define PLAT_MOUNT_MOVE 8192
#define PLAT_MOUNT_NOSUID 2
#define PLAT_MOUNT_NODEV 4
#define PLAT_MOUNT_NOEXEC 8
int plat_mount(const char *source, const char *target, const char *type, uint64_t flags,
               const char *data);
/* Makes the mount at `path` and all mounts below it read-only and nosuid (mount_setattr(2), Linux 5.12). */
int plat_mount_read_only(const char *path);
/* A descriptor (CLOEXEC) of a path without access to its contents (O_PATH). */
int plat_open_path(const char *path);

/* ioctl with an int argument, and with a pointer to a struct of the kernel. */
int plat_ioctl_value(int fd, uint64_t request, int value);
int plat_ioctl_bytes(int fd, uint64_t request, void *bytes);

/* Blocks the signals for the process, stores the previous mask in `before` (PLAT_SIGNAL_MASK_BYTES) and
 * returns a descriptor (CLOEXEC) from which they are read. */
#define PLAT_SIGNAL_MASK_BYTES 128
int plat_signal_take(const int *signals, uint32_t count, void *before);
/* The number of the next signal, or -errno. *from_user: it was sent by kill(2) or the like, not by the
 * terminal or the kernel. */
int plat_signal_next(int fd, int *from_user);

/* Runs `file`, searched in PATH, as a shell does: the child inherits descriptors without CLOEXEC, process
 * group and signal dispositions; its signal mask is `mask`. `fd`, unless negative, becomes descriptor
 * `fd_there` in it. `end_signal`, unless 0, is sent to it when the calling thread ends (PR_SET_PDEATHSIG).
 * Returns the pid, or the -errno of exec itself. */
int plat_spawn_command(const char *file, char *const argv[], char *const envp[],
                       const void *mask, int fd, int fd_there, int end_signal);
#endif

#endif /* CPLATFORM_GUEST_H */
