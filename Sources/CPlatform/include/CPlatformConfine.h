/* CPlatformConfine.h - what a process gives up for good. Linux only. Each returns 0 (or the number
 * asked for), or -errno.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CPLATFORM_CONFINE_H
#define CPLATFORM_CONFINE_H

#include <stdint.h>

#ifdef __linux__

/* No program it starts has more privileges (no_new_privs), no other process of the same user may look into
 * it (dumpable 0), and it leaves no core. */
int plat_give_up_privileges(void);

/* Becomes another user, in that group and in no other, and keeps the capabilities it has (plat_keep_capabilities
 * takes them). Single-threaded. Makes the process dumpable or not as the kernel likes: plat_give_up_privileges after it. */
int plat_become_user(uint32_t uid, uint32_t gid);

/* Keeps of its capabilities those in `keep` (bit N: capability N), in the bounding set, too, where it may;
 * none inheritable or ambient. */
int plat_keep_capabilities(uint64_t keep);
/* The effective ones of this thread; 0 where they cannot be read. */
uint64_t plat_capabilities(void);

/* Refuses system calls of which a network's process needs none (confine.c has the list), in all threads.
 * After plat_give_up_privileges. -ENOSYS on architectures without a list. */
int plat_refuse_system_calls(void);

/* Refuses all system calls but those of a network that runs (confine_strict.c has the list), in all threads: no program,
 * process, code that was not loaded by now, unix socket, or other process's id. */
int plat_allow_needed_calls(void);

/* As plat_spawn, with mount, process and IPC namespaces of its own; with `user_namespace` also one of these, in which this
 * process's user is 0. The child is process 1 of its namespace and leads a process group. The pid here, or -errno. */
int plat_spawn_isolated(const char *path, char *const argv[], char *const envp[], const int *pairs,
                        uint32_t pair_count, int user_namespace);

/* A process that shares this one's root and working folder, and keeps the privileges that this one gives up: told to, it
 * makes `root`, a mount point, the root of both, and takes all else away. Single-threaded. A descriptor for
 * plat_root_enter, or -errno. */
int plat_root_helper(const char *root, int *pid);
/* Tells it, waits for it, and closes `helper`. */
int plat_root_enter(int helper, int pid);

/* The kernel's version of Landlock (1 and up); -ENOSYS or -EOPNOTSUPP without. */
int plat_landlock_version(void);
/* A descriptor for rules. Nothing but what is allowed by them may be opened once they are enforced; what is
 * open stays so. From version 6 on also: no signal to processes, no connection to abstract unix sockets
 * outside of what is confined with it. */
int plat_landlock_begin(void);
/* Files of this folder and all below it, or this file, may be read, and with `writable` written, made and
 * removed (no devices). -ENOENT where there is none. */
int plat_landlock_allow(int ruleset, const char *path, int writable);
/* For this thread and those it makes. After plat_give_up_privileges. */
int plat_landlock_enforce(int ruleset);

#endif
#endif /* CPLATFORM_CONFINE_H */
