/* CPlatform.h - parts of the kernel's interface that Swift cannot express: macros (CMSG_*, WIFEXITED and
 * others), calls that the Swift overlay of libc does not import, and names of errno values. No state, no
 * logic. Every function returns the call's result, or -errno; none sets errno for its caller.
 *
 * _GNU_SOURCE is not defined here: system types would then differ from Swift's view of libc. The .c files
 * define it.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_H
#define CPLATFORM_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "CPlatformConfine.h"
#include "CPlatformGuest.h"
#include "checksum.h"
#include "lookup.h"
#include "message_batch.h"
#include "prefetch.h"

/* "ECONNREFUSED" for a known errno value, otherwise NULL. */
const char *plat_errno_name(int number);
/* Thread-safe strerror; `size` bytes of `buffer`. */
void plat_errno_text(int number, char *buffer, uint64_t size);
/* "SIGSEGV" for a known signal, otherwise NULL. */
const char *plat_signal_name(int number);

/* Monotonic time in nanoseconds. */
uint64_t plat_now_ns(void);
/* Wall clock in nanoseconds since 1970. */
/* Nanoseconds since boot during which the host was suspended; plat_now_ns excludes them. */
uint64_t plat_slept_ns(void);
uint64_t plat_wall_ns(void);
/* A number that is unique among the threads of this process. */
uint64_t plat_thread_id(void);

/* Interpretation of waitpid's status: whether the child exited, and so on. */
int plat_wait_exited(int status);
int plat_wait_exit_code(int status);
int plat_wait_signal(int status);
int plat_wait_core_dumped(int status);

/* sendmsg and recvmsg with descriptors. `fd_count` is at most PLAT_MAX_FDS. recv: *fd_count is the number
 * received; all have CLOEXEC set. It is PLAT_LOST_FDS if some were lost, because the process has reached
 * its limit or because more arrived than fit: those received are closed, and the bytes are valid. */
#define PLAT_MAX_FDS 16
#define PLAT_LOST_FDS 0xffffffffu
ssize_t plat_send_fds(int socket, const void *bytes, uint64_t length, const int *fds,
                      uint32_t fd_count, int flags);
ssize_t plat_recv_fds(int socket, void *bytes, uint64_t length, int *fds, uint32_t *fd_count,
                      int flags);

#ifdef __linux__
/* accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC. */
int plat_accept(int socket, struct sockaddr *address, socklen_t *length);
#endif

/* Credentials of the peer of a Unix socket. */
int plat_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid);

/* Runs a program. `pairs` holds pair_count pairs (from, to) of descriptors; every other descriptor from 3
 * on is closed in the child. Signal dispositions are reset. The child gets its own process group with
 * new_group, and this process's environment if envp is NULL. Returns the pid or -errno. */
int plat_spawn(const char *path, char *const argv[], char *const envp[], const int *pairs,
               uint32_t pair_count, int new_group);

/* Returns memory to the kernel that an idle process does not need: unused heap, and clean pages of code
 * and constants, which are read from their files again when accessed. No effect outside of Linux. Any
 * thread. */
void plat_release_code(void);

/* Makes malloc map blocks of 64 KiB and more individually, so that each is unmapped when it is freed. By
 * default glibc raises that limit when such a block is freed, and the heap of a network whose guests come
 * and go would grow without a limit. No effect without glibc. Call before the first thread. */
void plat_map_large_blocks(void);

/* 0, or -errno. */
int plat_ignore_sigpipe(void);
/* From now on SIGTERM writes 8 bytes to `fd`, an eventfd or a pipe. */
int plat_on_terminate(int fd);
/* From now on a fatal signal writes a line to standard error before it kills the process, with the running
 * plugin and callback. Sets the calling thread's signal stack and the handlers of the process. */
int plat_report_crashes(void);
/* The running plugin and callback; both strings must never be freed. NULL: the host itself. */
void plat_crash_context(const char *plugin, const char *callback);

typedef struct plat_sha256 {
    uint32_t state[8];
    uint64_t total; /* bytes so far */
    uint8_t block[64];
    int portable;
} plat_sha256;

/* `portable`: without the processor's SHA instructions, for tests. */
void plat_sha256_start(plat_sha256 *hash, int portable);
void plat_sha256_add(plat_sha256 *hash, const void *bytes, uint64_t length);
void plat_sha256_end(plat_sha256 *hash, uint8_t digest[32]);
/* From now on each of these signals is written as a byte, its number, to the pipe whose other end is
 * returned (non-blocking, CLOEXEC). Once per process; -EBUSY the second time. */
int plat_watch_signals(const int *signals, uint32_t count);

#ifdef __linux__
#include <sys/epoll.h>

/* epoll_pwait2 if the kernel has it, otherwise epoll_wait with the timeout rounded up to milliseconds.
 * timeout_ns < 0: no timeout. */
int plat_epoll_wait(int epoll, struct epoll_event *events, int max, int64_t timeout_ns);
int plat_epoll_ctl(int epoll, int op, int fd, uint32_t events, uint64_t token);
int plat_epoll_create(void);
int plat_eventfd(void);
int plat_memfd_create(const char *name);
/* Close-on-exec for all descriptors from `first` on; Linux 5.11. */
int plat_close_range_on_exec(int first);
int plat_pidfd_open(int pid);
/* Sends `signal` to this process when the parent's thread ends; 0: none. */
int plat_set_parent_death_signal(int signal);
#endif

#endif /* CPLATFORM_H */
