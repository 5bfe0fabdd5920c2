/* CPlatform.h - what Swift cannot say by itself about the kernel's interface:
 * macros (CMSG_*, the W* of wait), calls that the Swift overlay of libc does
 * not import, and errno names. No state, no logic. Every function returns the
 * call's result, or -errno; none sets errno for its caller to read.
 *
 * No _GNU_SOURCE here: it would give system types another shape than Swift's
 * own view of libc has. The .c files define it.
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

/* "ECONNREFUSED" for a known errno, otherwise NULL. */
const char *plat_errno_name(int number);
/* Thread-safe strerror into `buffer`. */
void plat_errno_text(int number, char *buffer, uint64_t size);
/* "SIGSEGV" for a known signal, otherwise NULL. */
const char *plat_signal_name(int number);

/* Monotonic time in nanoseconds. */
uint64_t plat_now_ns(void);
/* Wall clock in nanoseconds since 1970. */
/* How long the host was asleep since it booted, which plat_now_ns does not count. */
uint64_t plat_slept_ns(void);
uint64_t plat_wall_ns(void);
/* A number that tells the threads of this process apart. */
uint64_t plat_thread_id(void);

/* What became of a child; see waitpid. */
int plat_wait_exited(int status);
int plat_wait_exit_code(int status);
int plat_wait_signal(int status);
int plat_wait_core_dumped(int status);

/* sendmsg/recvmsg with descriptors. `fd_count` is at most PLAT_MAX_FDS.
 * recv: *fd_count says how many came; all have CLOEXEC set. PLAT_LOST_FDS when
 * some could not be had, for the process has as many as it may have, or for more
 * came than fit: those that were are closed, and the bytes are good. */
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

/* Who is at the other end of a unix socket. */
int plat_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid);

/* Runs a program. `pairs` holds pair_count pairs (from, to); every other
 * descriptor from 3 on is closed in the child. Signals are reset. The child
 * gets a process group of its own with new_group, and this process's
 * environment when envp is NULL. Returns the pid or -errno. */
int plat_spawn(const char *path, char *const argv[], char *const envp[], const int *pairs,
               uint32_t pair_count, int new_group);

/* Hands back to the kernel what a process at rest does not need: unused heap, and the
 * pages of code and constants, which come back from their files when touched.
 * Outside of Linux: nothing. Any thread. */
void plat_release_code(void);

/* Has blocks from 64 KiB on mapped one by one, so that each goes back to the kernel when it is freed.
 * glibc would take them from its heap once one was freed, and the heap of a network whose
 * guests come and go would grow without end. Outside of glibc: nothing. Before the first thread. */
void plat_map_large_blocks(void);

/* 0, or -errno. */
int plat_ignore_sigpipe(void);
/* SIGTERM writes 8 bytes to `fd` (an eventfd or a pipe) from now on. */
int plat_on_terminate(int fd);
/* A fatal signal writes a line to stderr before it kills: which callback of
 * which plugin ran. For the calling thread's stack and all threads' signals. */
int plat_report_crashes(void);
/* What runs now. Both must live for ever; NULL: the host itself. */
void plat_crash_context(const char *plugin, const char *callback);

typedef struct plat_sha256 {
    uint32_t state[8];
    uint64_t total; /* bytes so far */
    uint8_t block[64];
    int portable;
} plat_sha256;

/* `portable`: without the processor's own instructions, for tests. */
void plat_sha256_start(plat_sha256 *hash, int portable);
void plat_sha256_add(plat_sha256 *hash, const void *bytes, uint64_t length);
void plat_sha256_end(plat_sha256 *hash, uint8_t digest[32]);
/* From now on each of these signals becomes a byte, its number, in the pipe
 * whose end this returns (non-blocking, CLOEXEC). Once per process; -EBUSY the
 * second time. */
int plat_watch_signals(const int *signals, uint32_t count);

#ifdef __linux__
#include <sys/epoll.h>

/* epoll_pwait2 where the kernel has it, else epoll_wait rounded up to the next
 * millisecond. timeout_ns < 0 waits for ever. */
int plat_epoll_wait(int epoll, struct epoll_event *events, int max, int64_t timeout_ns);
int plat_epoll_ctl(int epoll, int op, int fd, uint32_t events, uint64_t token);
int plat_epoll_create(void);
int plat_eventfd(void);
int plat_memfd_create(const char *name);
/* Close-on-exec for all descriptors from `first` on; Linux 5.11. */
int plat_close_range_on_exec(int first);
int plat_pidfd_open(int pid);
/* `signal` for this process when its parent's thread ends; 0: none. */
int plat_set_parent_death_signal(int signal);
#endif

#endif /* CPLATFORM_H */
